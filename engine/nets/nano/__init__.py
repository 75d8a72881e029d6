"""The small networks that are trained here, from nothing, on the portrait world."""
