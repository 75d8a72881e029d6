"""Checkpoints: which there are, where they lie, how they are fetched, read, checked and kept."""
