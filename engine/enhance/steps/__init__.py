"""What a chain may be made of: one step a file."""
