"""One module for each subcommand: arguments in, one engine call, the result shown."""
