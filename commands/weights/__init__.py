"""The published checkpoints: which there are, on which terms, and what is here."""

HELP = "Published checkpoints: list them, fetch, import, check what is here."
COMMANDS = ("list", "pull", "import", "check")
