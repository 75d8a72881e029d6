"""What the mood does to the lie of a scene: round and low where calm, torn and tall where not."""

from dataclasses import replace

from engine.worlds.landscapes.mood import Mood
from engine.worlds.landscapes.noise import ramp
from engine.worlds.landscapes.scene import Scene


def composed(view: Scene, mood: Mood) -> Scene:
    """The scene as its valence and arousal shape it."""
    arousal = mood.arousal
    return replace(
        view,
        mountains=view.mountains * (0.30 + 1.15 * arousal),
        start=view.start * (1.25 - 0.45 * arousal),
        hills=view.hills * (0.45 + 1.0 * arousal),
        jagged=float(ramp(arousal, 0.15, 0.85)),
    )
