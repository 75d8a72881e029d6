"""Training: the one loop, and what it needs."""
