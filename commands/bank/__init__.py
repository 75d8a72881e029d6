"""Identity banks: impostors of a person, and the person's own anchors."""

HELP = "Identity banks: build, describe and search banks of faces; age anchors and prototypes."
COMMANDS = ("build", "info", "search", "anchors")
