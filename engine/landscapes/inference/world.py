"""Which version of the landscape world weights know."""

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.worlds.landscapes import VERSION

DRAWN_SCALE = "0..1"


def world_of(checkpoint: Checkpoint) -> str | None:
    """The version of the drawn world that weights were trained on; None for photos or no card."""
    if checkpoint.facts.get("scale") != DRAWN_SCALE:
        return None
    version = checkpoint.card.get("landscapes", {}).get("version")
    return None if version is None else str(version)


def require_this_world(checkpoint: Checkpoint, name: str) -> None:
    """WeightsError for weights that were trained on another version of the landscape world."""
    made_on = world_of(checkpoint)
    if made_on not in (None, VERSION):
        raise WeightsError(
            f"`{name}` was trained on version {made_on} of the landscape world, and this is "
            f"version {VERSION}",
            hint="train it again, or use weights of this version of tm",
        )
