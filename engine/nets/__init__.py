"""The networks: the published ones under their authors' state-dict keys, and our own."""
