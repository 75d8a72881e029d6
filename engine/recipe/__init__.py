"""Recipes: strict TOML, from a file and `key=value` settings to a checked table and back."""
