"""The optimisers that a recipe may choose."""
