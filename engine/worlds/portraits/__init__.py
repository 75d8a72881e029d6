"""The portrait world: a renderer of faces with known age, identity, pose and landmarks."""

from engine.worlds.portraits.render import Portrait, render
from engine.worlds.portraits.scene import Scene, scene
from engine.worlds.portraits.traits import STYLE_TRAITS, Identity, identity
from engine.worlds.versions import PORTRAITS as VERSION

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
