"""The weights file that a name means."""

from importlib.resources import files
from pathlib import Path

from engine.core.errors import UsageError, WeightsError
from engine.core.places import weights_folder
from engine.weights.folder import status_of, weights_file
from engine.weights.manifest import known_weights

SUFFIXES = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
"""What ends like a file is no name of known weights."""
DELIVERED = ("checkpoints/best/nets.safetensors", "checkpoints/.best.old/nets.safetensors")
"""What a run delivers, relative to its folder; the second while the first is being replaced."""


def shipped_weights() -> dict[str, Path]:
    """The weights files of the package, by name."""
    folder = Path(str(files("engine.shipped")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find_weights(name: str) -> Path:
    """A run's best weights, a file, shipped weights, or a name in the weights folder (checked).

    Published weights that somebody brought go before small ones of that name in the package.
    """
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return _of_run(path)
        if path.exists():
            return path
    except (OSError, RuntimeError, ValueError) as error:  # `~nobody`, a name too long, a NUL
        raise WeightsError(f"`{name[:80]}` is no path of weights: {error}") from None
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        raise UsageError(f"unknown weights: nothing is at `{name}`", hint="check the path")
    shipped = shipped_weights()
    if name in shipped and not _published_here(name):
        return shipped[name]
    return weights_file(name, beside=shipped)


def _published_here(name: str) -> bool:
    """Whether the weights folder holds the published weights of that name."""
    folder = weights_folder()
    weight = known_weights(folder).by_name.get(name)
    return weight is not None and status_of(weight, folder).here


def _of_run(folder: Path) -> Path:
    for delivered in DELIVERED:
        if (folder / delivered).is_file():
            return folder / delivered
    raise WeightsError(
        f"`{folder}` holds no best weights yet",
        hint="give a run that has validated at least once, or a weights file",
    )
