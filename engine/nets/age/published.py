"""The published age estimators in the files they come in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.load import read_checkpoint, read_tensors

if TYPE_CHECKING:
    from engine.nets.age.mivolo import AgeScale, MiVolo

INSIDE = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")
"""Where training scripts put the weights, best first."""
VGG_CONV = re.compile(r"conv\.(\d)\.conv(\d)\.(?:\w+\.)?(weight|bias)")
VGG_HEAD = {"fc1": "fc6", "fc2": "fc7", "cls": "fc8_101"}


def read_mivolo(path: Path) -> "tuple[MiVolo, AgeScale]":
    """MiVOLO and the scale of ages its file states (`specs/agetransformer.md` 3.2)."""
    # With it come timm and torchvision: seconds that nobody without its weights need wait for.
    from engine.nets.age.mivolo import AgeScale, MiVolo

    content: Any = read_tensors(path)
    table: dict[str, Any] = dict(content) if isinstance(content, Mapping) else {}
    state = table.get("state_dict_ema", table.get("state_dict"))
    absent = [key for key in ("min_age", "max_age", "avg_age") if key not in table]
    if not isinstance(state, Mapping) or absent:
        raise WeightsError(
            f"`{path}` is no MiVOLO checkpoint: it lacks {', '.join(absent) or 'weights'}"
        )
    scale = AgeScale(float(table["min_age"]), float(table["max_age"]), float(table["avg_age"]))
    kept = {key: value for key, value in state.items() if not key.startswith("fds.")}
    return MiVolo.from_state(kept), scale


def read_vgg16(path: Path) -> tuple[dict[str, Tensor], bool]:
    """The state dict of an age VGG-16 under DEX's names, and whether it is DEX itself.

    Reads DEX as SAM publishes it, in its file or in ours, and the VGG-16 of the
    AgeTransformer repository (`specs/agetransformer.md` 2.1).
    """
    state = _bare(path)
    if "cls.weight" in state or any(VGG_CONV.fullmatch(key) for key in state):
        return {_dex_name(key): value for key, value in state.items()}, False
    return dict(read_checkpoint(path).part("age")), True


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a published file by name, whatever container they came in."""
    return _bare(path)


def _bare(path: Path) -> dict[str, Tensor]:
    content: Any = read_tensors(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"`{path}` holds a {type(content).__name__}, not a state dict")
    inner: Any = next((content[key] for key in INSIDE if key in content), content)
    if not isinstance(inner, Mapping):
        raise WeightsError(f"`{path}` holds no state dict")
    return {
        str(key).removeprefix("module."): value
        for key, value in inner.items()
        if isinstance(value, Tensor)
    }


def _dex_name(key: str) -> str:
    """DEX's name for a key of AgeTransformer's VGG-16.

    >>> _dex_name("conv.4.conv3.weight"), _dex_name("fc1.0.bias"), _dex_name("cls.weight")
    ('conv5_3.weight', 'fc6.bias', 'fc8_101.weight')
    """
    if (found := VGG_CONV.fullmatch(key)) is not None:
        return f"conv{int(found[1]) + 1}_{found[2]}.{found[3]}"
    head, _, rest = key.partition(".")
    return f"{VGG_HEAD.get(head, head)}.{rest.rpartition('.')[2]}"
