"""Identity banks: the impostors a face is held against, and a person's own anchors."""

HELP = "Identity banks: build one from faces with ages, look into it, search it; age anchors."
COMMANDS = ("build", "info", "search", "anchors")
