"""Training: optimisers, averages, guards."""
