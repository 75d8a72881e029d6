"""Clips at other ages: two passes over the frames, the first to look, the second to write."""
