"""From a folder of photos, or from nothing, to a prepared data set."""
