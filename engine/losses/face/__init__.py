"""Losses of personal ageing: one a file, each a table of the recipe."""
