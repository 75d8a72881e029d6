"""What recipes there are, what one means, and what is wrong with it."""

HELP = "Recipes: list them, show one resolved, check one, draw a schedule."
COMMANDS = ("list", "show", "check", "draw")
