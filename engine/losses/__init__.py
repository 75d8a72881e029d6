"""What trainings minimise: pure functions of tensors, one loss a file."""
