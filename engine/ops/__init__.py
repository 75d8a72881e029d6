"""Tensor operations that several networks share, each with a slow twin that defines it."""
