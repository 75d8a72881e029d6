"""Faces in pictures: detecting, cropping, scoring and comparing them."""
