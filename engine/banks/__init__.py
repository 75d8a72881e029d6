"""Embeddings of many people by age, and one person's own codes and embeddings by age."""
