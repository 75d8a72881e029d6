"""Perceptual distances, and the features that distances between sets are defined on."""
