"""spandrel's architectures, imported when first needed and without their known complaint."""

import warnings
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spandrel import ArchRegistry


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
