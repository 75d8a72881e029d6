"""The optimizers that a recipe may choose."""
