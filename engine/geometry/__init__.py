"""Plane geometry of faces: the 68 points, the FFHQ square, warps."""
