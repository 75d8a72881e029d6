"""The published checkpoints: which there are, on which terms, and what is here."""

HELP = "Checkpoints: list the published ones, fetch, import, export a run, check what is here."
COMMANDS = ("list", "pull", "import", "export", "check")
