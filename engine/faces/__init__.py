"""Faces in pictures: finding, cropping, judging and comparing them."""
