"""The `tm` command: assembles the subcommands, prints errors, exits."""

VERSION = "0.1.0"
