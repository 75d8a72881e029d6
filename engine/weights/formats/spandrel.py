"""Restoration networks in whatever layout spandrel reads: ESRGAN, Real-ESRGAN, Compact, GFPGAN
1.2 to 1.4, DDColor and more.
"""

import warnings
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from torch import Tensor

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format

if TYPE_CHECKING:
    from spandrel import ArchRegistry


@FORMATS.register("spandrel")
class Spandrel(Format):
    """`enhancer`, under spandrel's names; the fact `architecture` is spandrel's id."""

    label = "what spandrel reads (ESRGAN, Real-ESRGAN, Compact, GFPGAN 1.2 to 1.4, DDColor)"
    slow = True

    @staticmethod
    def detect(content: Content) -> bool:
        return _architecture(_canonical(content)) is not None

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        state = _canonical(content)
        facts = {"architecture": _architecture(state)}
        return Checkpoint("spandrel", {"enhancer": state}, facts=facts)


@cache
def spandrel() -> ModuleType:
    """The library; its import takes seconds."""
    with warnings.catch_warnings():
        # One of its architectures is still scripted.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        import spandrel as library
        import spandrel.architectures.Compact
    return library


@cache
def architectures() -> "ArchRegistry":
    """spandrel's architectures and the extra ones, apart from the registry of the process."""
    registry = spandrel().MAIN_REGISTRY.copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
        from spandrel_extra_arches import EXTRA_REGISTRY
    registry.add(*EXTRA_REGISTRY, ignore_duplicates=True)
    return registry


def _canonical(content: Content) -> dict[str, Tensor]:
    """The state dict in `content` without wrappers and prefixes; empty where there is none."""
    try:
        state = spandrel().canonicalize_state_dict(dict(content))
    except AttributeError:  # keys that are no text
        return {}
    return state if all(isinstance(value, Tensor) for value in state.values()) else {}


def _architecture(state: dict[str, Tensor]) -> str | None:
    for known in architectures().architectures("detection"):
        if state and known.detect(state):
            return str(known.architecture.id)
    return None
