"""The weights file that a name means."""

from importlib.resources import files
from pathlib import Path

from engine.core.errors import UsageError, WeightsError
from engine.core.places import weights_folder
from engine.weights.folder import status_of, weights_file
from engine.weights.manifest import known_weights

SUFFIXES = (".pt", ".pth", ".safetensors", ".bin", ".ckpt")
"""What ends like a file is no name of known weights."""
BEST, LATEST = "best", "latest"
"""What a run delivers: the step that an evaluator chose, or where there is none, the newest."""
DELIVERED = tuple(
    f"checkpoints/{folder}/nets.safetensors"
    for name in (BEST, LATEST)
    for folder in (name, f".{name}.old")  # the second while the first is being replaced
)


def shipped_weights() -> dict[str, Path]:
    """The weights files of the package, by name."""
    folder = Path(str(files("engine.shipped")))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find_weights(name: str) -> Path:
    """What a run delivers, a file, shipped weights, or a name in the weights folder (checked).

    Published weights that somebody brought go before small ones of that name in the package.
    """
    if not name.strip():
        raise UsageError("weights are named by an empty text", hint="name a run, a file or weights")
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
        f"`{folder}` holds no weights yet",
        hint="give a run that has validated at least once, or a weights file",
    )


def unchosen(file: Path) -> str | None:
    """A remark on a run's weights that no evaluator chose; None for all others."""
    if file.parent.name not in (LATEST, f".{LATEST}.old"):
        return None
    return (
        f"these weights are the newest of `{file.parents[2]}`: no evaluator chose among its steps"
    )
