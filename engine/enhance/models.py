"""The networks behind the steps: recognised by content, through spandrel or as our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from engine.core.digest import file_sha256
from engine.core.errors import MissingWeightsError, WeightsError
from engine.core.places import weights_folder
from engine.data.domains import Domain
from engine.nets.loading import frozen
from engine.nets.nano.enhancers import NanoColour, NanoFace
from engine.nets.nano.unet import NanoUNet
from engine.nets.stylegan2.generator import Generator
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights, shipped_weights
from engine.weights.folder import instructions_for, status_of
from engine.weights.formats.ncnn import read_esrgan
from engine.weights.formats.spandrel import Spandrel, architectures, spandrel
from engine.weights.load import read_checkpoint, read_content, require_sound
from engine.weights.manifest import known_weights
from engine.weights.packages import require_recorded
from engine.weights.terms import licence_of, require_terms

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

NANO = {"face": "NanoFace", "colour": "NanoColour"}
"""Our own networks by the part of their file."""
ALONE = ("GFPGAN", "DDColor")
"""Architectures that are called without spandrel's wrapper, which feeds the one a wrong range and
the other a wrong size (its documentation says neither)."""


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A network and where it comes from.

    architecture: as spandrel calls it, or `NanoFace`, `NanoColour`; domain: what it was trained
    on; stand_in: whether it replaces a published one that is missing.
    """

    name: str
    architecture: str
    sha256: str
    licence: str
    net: nn.Module
    scale: int = 1
    multiple: int = 1
    """What the sides of its input must be divisible by."""
    size: int | None = None
    """Side of the one input size it works at."""
    domain: Domain = "photos"
    stand_in: bool = False


class Described(nn.Module):
    """A network as spandrel calls it: (1, 3, h, w) to (1, 3, s h, s w), both in [0, 1]."""

    def __init__(self, descriptor: "ImageModelDescriptor[Any]") -> None:
        super().__init__()
        self.model = descriptor.model
        self._call = descriptor

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self._call(picture)


def weights_of(
    weights: str | None, published: Sequence[str], shipped: str, packaged: str | None = None
) -> tuple[str, Path]:
    """The name and file of a step's weights: those given, else the first published ones that are
    installed, else those that another package brings, else the nano network in this one.

    WeightsError says where to get missing ones.
    """
    if weights is not None:
        return weights, find_weights(weights)
    folder = weights_folder()
    known = known_weights(folder)
    for name in published:
        if status_of(known[name], folder).here:
            return name, find_weights(name)
    if packaged is not None and (status := status_of(known[packaged], folder)).path is not None:
        require_recorded(status.path)
        return packaged, status.path
    ours = shipped_weights()
    if shipped not in ours:
        raise MissingWeightsError(
            f"the weights `{published[0]}` are not in `{folder}`",
            hint=instructions_for(known[published[0]]),
        )
    return shipped, ours[shipped]


def read_model(path: Path, name: str | None = None, *, stand_in: bool = False) -> Model:
    """The network in a file, whatever its name: `.pth`, `.pt`, `.bin` or `.safetensors`, or a
    `.bin` of ncnn with its `.param` beside it.

    WeightsError for a web page, for code, for a network that nobody here knows, and for one whose
    tensors are not those its keys promise.
    """
    require_sound(path)
    called, digest = path.stem if name is None else name, file_sha256(path)
    require_terms(path, called)
    checkpoint = _read_ncnn(path) if _is_ncnn(path) else read_checkpoint(path)
    facts = checkpoint.facts
    domain: Domain = "portraits" if facts.get("domain") == "portraits" else "photos"
    licence = licence_of(path, called)
    part = next((part for part in NANO if part in checkpoint.parts), None)
    if part is not None:
        unet = NanoUNet.from_state(checkpoint.part(part))
        net = NanoFace(unet) if part == "face" else NanoColour(unet)
        return Model(
            called, NANO[part], digest, licence, frozen(net), 1, unet.spec.multiple,
            int(facts["size"]), domain, stand_in,
        )  # fmt: skip
    found = _described(checkpoint, path)
    needs = found.size_requirements
    fixed = 512 if found.architecture.id == "GFPGAN" else None
    net = found.model if found.architecture.id in ALONE else Described(found)
    return Model(
        called, str(found.architecture.id), digest, licence, frozen(net), found.scale,
        max(needs.multiple_of, 1), fixed, domain, stand_in,
    )  # fmt: skip


def require_buildable(path: Path, checkpoint: Checkpoint) -> None:
    """WeightsError for a file that is recognised by its keys and yet makes no network."""
    try:
        if checkpoint.kind == "spandrel":
            _described(checkpoint, path)
        elif checkpoint.kind != "native" and "decoder" in checkpoint.parts:
            Generator.from_state(checkpoint.part("decoder"))
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise _unfit(checkpoint, path, error) from error


def _is_ncnn(path: Path) -> bool:
    return path.suffix == ".bin" and path.with_suffix(".param").is_file()


def _read_ncnn(path: Path) -> Checkpoint:
    """A Real-ESRGAN kept as ncnn's `.param` and `.bin`; those of a known package by digest."""
    param = path.with_suffix(".param")
    for file in (param, path):
        require_recorded(file)
    return read_content(read_esrgan(param, path))


def _described(checkpoint: Checkpoint, path: Path) -> "ImageModelDescriptor[Any]":
    """What spandrel makes of the one network of a checkpoint."""
    library, state = spandrel(), checkpoint.part(next(iter(checkpoint.parts)))
    if not (checkpoint.kind == "spandrel" or checkpoint.facts.get("bare")):
        raise WeightsError(
            f"`{path}` holds {checkpoint.part_names}: nothing that enhances pictures",
            hint=f"give {Spandrel.label}",
        )
    try:
        found = architectures().load(dict(state))
    except library.UnsupportedModelError:
        raise WeightsError(f"`{path}` holds no network that spandrel knows") from None
    except (RuntimeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise _unfit(checkpoint, path, error) from error
    if not isinstance(found, library.ImageModelDescriptor):
        raise WeightsError(f"`{path}` holds {found.architecture.name}, which needs a mask beside")
    return cast("ImageModelDescriptor[Any]", found)


def _unfit(checkpoint: Checkpoint, path: Path, error: Exception) -> WeightsError:
    """Recognised by its keys, and then its tensors do not fit."""
    reason = " ".join(str(error).split())[:160]
    if checkpoint.facts.get("architecture") == "GFPGAN":
        return WeightsError(
            f"`{path}` is a GFPGAN of the first paper (GFPGANv1), whose layers need CUDA code; "
            f"only the `clean` ones are read ({reason})",
            hint="use GFPGANv1.3.pth or GFPGANv1.4.pth",
        )
    return WeightsError(
        f"`{path}` looks like a known network, but its tensors do not fit: {reason}",
        hint="get the file again",
    )
