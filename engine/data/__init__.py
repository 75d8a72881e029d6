"""Data sets: manifests, ages, splits."""
