"""Who is in the picture: face embeddings."""
