"""What personal ageing minimises: one loss a file, each a table of the recipe."""
