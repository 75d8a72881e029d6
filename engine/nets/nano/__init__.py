"""Small networks of our own, trained from scratch on drawn portraits."""
