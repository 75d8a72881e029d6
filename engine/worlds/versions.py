"""Versions of the drawn worlds, for what only compares them and draws nothing.

They stand in the card of every network trained here: any change of the pictures is a new version.
"""

PORTRAITS = "1"
