"""Pictures in and out: reading anything, ranges, saving whole files, contact sheets."""
