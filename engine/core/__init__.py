"""Errors, registries, strict tables, atomic files, progress."""
