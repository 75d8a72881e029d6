"""Faces of many people by age, kept as embeddings; and one person's own, by age."""
