"""Procedural worlds whose truth is known."""
