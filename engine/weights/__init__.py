"""Weights files: the known ones, and how they are fetched, imported, read and checked."""
