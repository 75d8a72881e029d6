"""The losses of landscapes from valence and arousal: adding one is adding one file."""
