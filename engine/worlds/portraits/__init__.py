"""The portrait world: a renderer of faces with known age, identity, pose and landmarks."""

from engine.worlds.portraits.render import Portrait, render
from engine.worlds.portraits.scene import Scene, scene
from engine.worlds.portraits.traits import STYLE_TRAITS, Identity, identity

# Stands in the card of every network trained here: any change of the pictures is a new version.
VERSION = "1"

__all__ = [
    "STYLE_TRAITS",
    "VERSION",
    "Identity",
    "Portrait",
    "Scene",
    "identity",
    "render",
    "scene",
]
