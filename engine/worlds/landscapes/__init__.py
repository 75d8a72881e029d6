"""The landscape world: scenes painted as their valence and arousal say."""

from engine.worlds.landscapes.render import Landscape, render
from engine.worlds.landscapes.scene import KINDS, Scene, place_in_plane, scene

# Stands in the card of every network trained here: any change of the pictures is a new version.
VERSION = "1"

__all__ = ["KINDS", "VERSION", "Landscape", "Scene", "place_in_plane", "render", "scene"]
