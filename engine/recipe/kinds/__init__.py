"""The root tables, one file for each kind of recipe."""
