"""From photos to portraits at other ages."""
