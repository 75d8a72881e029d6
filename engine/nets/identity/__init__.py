"""Identity networks: face embeddings, and a classifier of one person."""
