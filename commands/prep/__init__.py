"""Photos to a data set: align, filter, split; or render one from nothing."""

HELP = "Photos to a data set: align, filter, split; or render one from nothing."
COMMANDS = ("align", "filter", "split", "synth", "sheet", "forget")
