"""Which impostors a face is held against: chosen anew at every step."""
