"""One face in, a face for every anchor age out, in one pass."""
