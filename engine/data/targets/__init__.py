"""Target ages in training: pure functions of the draws and the step."""
