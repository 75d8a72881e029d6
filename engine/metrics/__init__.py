"""Measures of what the networks do: plain functions, one family a file, every figure named."""
