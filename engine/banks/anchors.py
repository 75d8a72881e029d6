"""What a person's codes and embeddings are like at each age, to hold new ones against.

The idea is the ancestor's (`specs/mytm.md` 3.8). Its anchors were means of an encoder's raw output,
while the codes compared with them stand on the latent average; ours are in the frame of the codes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.banks.bank import BIN, told_embedder
from engine.banks.faces import NO_AGE, Face, in_sizes, read_portrait
from engine.banks.files import read_table, save_table
from engine.core.errors import InputError, PictureError, WeightsError
from engine.core.progress import Progress, reported
from engine.nets.nano.trunk import resized
from engine.nets.protocols import IdentityNetwork, weights_digest
from engine.nets.timemachine import TimeMachine
from engine.runtime.memory import in_batches

ROUNDS = 2
FAR = 2.5
"""Scatters beyond which a code is no measure of its age; so wide the ancestor's robust mean is."""
MAD_TO_SIGMA = 1.4826
FEWEST = 4
"""Codes from which outliers can be told from the rest."""
BATCH = 8
ANCHOR_TENSORS = ("codes", "ages", "counts", "latent_average")
PROTOTYPE_TENSORS = ("embeddings", "ages", "counts")


@dataclass(frozen=True, slots=True, eq=False)
class AgeAnchors:
    """Mean codes by age, youngest first.

    codes: (m, styles, width), the latent average included; ages: (m,) mean age in years of the
    codes behind each, and counts: int64 (m,) how many; latent_average: (styles, width), what the
    frame is known by; prior: the digest of the network that inverted the photos.
    """

    codes: Tensor
    ages: Tensor
    counts: Tensor
    latent_average: Tensor
    prior: str
    bin_size: int = BIN

    def nearest(self, ages: Tensor) -> Tensor:
        """The codes (b, styles, width) of the anchors nearest to ages (b,) in years."""
        return self.codes[_nearest(self.ages, ages)]

    def require_frame(self, latent_average: Tensor) -> None:
        """WeightsError unless codes on this latent average can be held against the anchors."""
        ours, theirs = self.latent_average, latent_average.float().cpu()
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=1e-5):
            raise WeightsError(
                "the age anchors stand on another latent average than the model's codes",
                hint="build them anew with `tm bank anchors --from` and this model",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """A person's mean unit embedding in each year: embeddings (m, width), ages and counts (m,)."""

    embeddings: Tensor
    ages: Tensor
    counts: Tensor
    embedder: str
    digest: str

    def nearest(self, ages: Tensor) -> Tensor:
        """The prototypes (b, width) of the years nearest to ages (b,)."""
        return self.embeddings[_nearest(self.ages, ages)]

    def require(self, identity_net: IdentityNetwork) -> None:
        """WeightsError unless this very network made them."""
        if (self.embedder, self.digest) != (identity_net.name, identity_net.digest):
            ours = told_embedder(self.embedder, self.digest)
            theirs = told_embedder(identity_net.name, identity_net.digest)
            raise WeightsError(
                f"the prototypes were built by {ours}, and {theirs} is in use",
                hint="build them anew with `tm bank anchors --embedder`",
            )


@dataclass(frozen=True, slots=True)
class Told:
    """How a file came about: pictures used, ages of its rows, pictures left out with the reason."""

    used: int
    ages: tuple[float, ...]
    left_out: tuple[tuple[str, str], ...]


def age_anchors(
    codes: Tensor, ages: Tensor, *, latent_average: Tensor, prior: str, bin_size: int = BIN
) -> AgeAnchors:
    """Anchors of codes (n, styles, width) that stand on the latent average, at ages (n,)."""
    if codes.shape[1:] != latent_average.shape:
        raise ValueError(f"codes {tuple(codes.shape)} do not go with {tuple(latent_average.shape)}")
    # As the ancestor's anchors, these are cut at 40, 45, ...; the bins of banks at 38, 43, ...
    bins = torch.floor(ages / bin_size).long()
    groups = [(bins == number).nonzero()[:, 0] for number in bins.unique()]
    kept = [rows[_without_outliers(codes[rows].float())] for rows in groups]
    return AgeAnchors(
        torch.stack([codes[rows].float().mean(dim=0) for rows in kept]),
        torch.stack([ages[rows].float().mean() for rows in kept]),
        torch.tensor([len(rows) for rows in kept]),
        latent_average.float().cpu().clone(),
        prior,
        bin_size,
    )


def prototypes(embeddings: Tensor, ages: Tensor, identity_net: IdentityNetwork) -> Prototypes:
    """Prototypes of unit embeddings (n, width) at ages (n,): the key is the rounded year."""
    years = ages.round().long()
    keys, counts = years.unique(return_counts=True)
    means = torch.stack([embeddings[years == key].float().mean(dim=0) for key in keys])
    return Prototypes(
        F.normalize(means, dim=1), keys.float(), counts, identity_net.name, identity_net.digest
    )


def anchors_file(
    path: Path,
    faces: Sequence[Face],
    model: TimeMachine,
    progress: Progress,
    *,
    device: torch.device,
    bin_size: int = BIN,
) -> Told:
    """Invert pictures by the model's frozen prior, and write the mean of every bin of ages."""
    size, average = model.psp.shape.size, model.latent_average
    seen = _looked_at(faces, lambda photos: model.invert(resized(photos, size)), progress, device)
    prior = weights_digest(model.psp.state_dict())
    anchors = age_anchors(
        seen.values, seen.ages, latent_average=average, prior=prior, bin_size=bin_size
    )
    save_anchors(path, anchors)
    return Told(len(seen.ages), tuple(anchors.ages.tolist()), seen.left_out)


def prototypes_file(
    path: Path,
    faces: Sequence[Face],
    identity_net: IdentityNetwork,
    progress: Progress,
    *,
    device: torch.device,
) -> Told:
    """Embed a person's pictures, and write the mean of every year."""
    seen = _looked_at(faces, identity_net.embed, progress, device)
    found = prototypes(seen.values, seen.ages, identity_net)
    save_prototypes(path, found)
    return Told(len(seen.ages), tuple(found.ages.tolist()), seen.left_out)


def save_anchors(path: Path, anchors: AgeAnchors) -> None:
    """Write anchors in one step."""
    tensors = {name: getattr(anchors, name) for name in ANCHOR_TENSORS}
    save_table(path, "anchors", {"prior": anchors.prior, "bin_size": anchors.bin_size}, tensors)


def read_anchors(path: Path) -> AgeAnchors:
    """Read what `save_anchors` wrote; WeightsError for anything else."""
    told, tensors = read_table(path, "anchors")
    kept = {name: tensors[name] for name in ANCHOR_TENSORS}
    return AgeAnchors(**kept, prior=told["prior"], bin_size=told["bin_size"])


def save_prototypes(path: Path, found: Prototypes) -> None:
    """Write prototypes in one step."""
    tensors = {name: getattr(found, name) for name in PROTOTYPE_TENSORS}
    save_table(path, "prototypes", {"embedder": found.embedder, "digest": found.digest}, tensors)


def read_prototypes(path: Path) -> Prototypes:
    """Read what `save_prototypes` wrote; WeightsError for anything else."""
    told, tensors = read_table(path, "prototypes")
    kept = {name: tensors[name] for name in PROTOTYPE_TENSORS}
    return Prototypes(**kept, embedder=told["embedder"], digest=told["digest"])


class _Seen(NamedTuple):
    """What a network made of pictures, (n, ...), their ages (n,), and what was left out."""

    values: Tensor
    ages: Tensor
    left_out: tuple[tuple[str, str], ...]


@torch.no_grad()
def _looked_at(
    faces: Sequence[Face],
    look: Callable[[Tensor], Tensor],
    progress: Progress,
    device: torch.device,
) -> _Seen:
    left_out = {face.path: NO_AGE for face in faces if face.age is None}

    def work(batch: Sequence[tuple[Face, float]]) -> list[tuple[Tensor, float] | None]:
        portraits: list[Tensor] = []
        found: list[float | None] = []
        for face, age in batch:
            try:
                portraits.append(read_portrait(face.path))
                found.append(age)
            except PictureError as error:
                left_out[face.path] = error.reason
                found.append(None)
        looked = in_sizes(portraits, look, device)
        return [None if age is None else (next(looked), age) for age in found]

    aged = [(face, face.age) for face in faces if face.age is not None]
    made: list[tuple[Tensor, float]] = []
    with reported(progress, "Looking", len(aged)):
        for one in in_batches(work, aged, batch=BATCH):
            made += [one] if one is not None else []
            progress.advance()
    if not made:
        raise InputError(f"no picture serves: {'; '.join(sorted(set(left_out.values())))}")
    values = torch.stack([value for value, _ in made])
    told = tuple((path.name, reason) for path, reason in left_out.items())
    return _Seen(values, torch.tensor([age for _, age in made]), told)


def _without_outliers(codes: Tensor) -> Tensor:
    """Which of the codes (n, styles, width) of one bin are not far from the rest: bool (n,).

    By the distance of a whole code. The ancestor asked it of every coordinate, and of 512 some is
    beyond 2.5 sigma in nearly every code.
    """
    flat, keep = codes.flatten(1), torch.ones(len(codes), dtype=torch.bool)
    if len(codes) < FEWEST:
        return keep
    for _ in range(ROUNDS):
        away = (flat - flat[keep].median(dim=0).values).norm(dim=1)
        middle = away[keep].median()
        scatter = MAD_TO_SIGMA * (away[keep] - middle).abs().median()
        keep = away <= middle + FAR * scatter
    return keep


def _nearest(ours: Tensor, ages: Tensor) -> Tensor:
    """The index of the nearest of our ages (m,) for each of ages (b,): the younger of two."""
    return (ages[:, None] - ours.to(ages)).abs().argmin(dim=1)
