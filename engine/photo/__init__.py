"""Ageing photographs by a fitted prior of shape, colour, hair and detail."""
