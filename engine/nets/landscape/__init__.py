"""Networks that paint landscapes from valence and arousal, and that judge them."""
