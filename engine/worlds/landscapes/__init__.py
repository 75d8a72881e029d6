"""The landscape world: procedural scenes, rendered by their valence and arousal."""

from engine.worlds.landscapes.render import Landscape, render
from engine.worlds.landscapes.scene import KINDS, Scene, scene, scene_va

# Stands in the card of every network trained on it: any change of the pictures is a new version.
VERSION = "2"

__all__ = ["KINDS", "VERSION", "Landscape", "Scene", "render", "scene", "scene_va"]
