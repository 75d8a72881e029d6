"""A person's mean codes and mean embeddings by age, as references for new ones.

Anchors include the latent average, as the codes that they are compared with do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.banks.bank import BIN, embedder_label
from engine.banks.faces import NO_AGE, Face, by_size, read_portrait
from engine.banks.files import read_table, save_table
from engine.core.errors import InputError, PictureError, WeightsError
from engine.core.progress import Progress, reported
from engine.nets.nano.trunk import resized
from engine.nets.protocols import IdentityNetwork, weights_digest
from engine.nets.timemachine import TimeMachine
from engine.runtime.memory import in_batches

ROUNDS = 2
MAX_DEVIATIONS = 2.5
"""Robust standard deviations beyond which a code is an outlier."""
MAD_TO_SIGMA = 1.4826
MIN_CODES = 4
"""Codes in a bin from which outliers are removed."""
BATCH = 8


@dataclass(frozen=True, slots=True, eq=False)
class _ByAge:
    """Rows by age, youngest first, in a file of their own kind."""

    kind: ClassVar[str]

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        facts = {name: value for name, value in values.items() if name not in tensors}
        save_table(path, self.kind, facts, tensors)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `save` wrote; WeightsError for anything else."""
        facts, tensors = read_table(path, cls.kind)
        values: dict[str, Any] = {**facts, **tensors}
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True, eq=False)
class AgeAnchors(_ByAge):
    """Mean codes by age bin.

    codes: (m, styles, width), the latent average included; ages: (m,) mean age in years of the
    codes behind each; counts: int64 (m,) how many; latent_average: (styles, width) of the model;
    prior: the digest of the network that inverted the photos.
    """

    kind: ClassVar[str] = "anchors"
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
        """WeightsError unless the anchors include this latent average."""
        ours, theirs = self.latent_average, latent_average.float().cpu()
        if ours.shape != theirs.shape or not torch.allclose(ours, theirs, atol=1e-5):
            raise WeightsError(
                "the age anchors include another latent average than the model's codes",
                hint="build them anew with `tm bank anchors --from` and this model",
            )


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes(_ByAge):
    """A person's mean unit embedding in each year: embeddings (m, width), ages and counts (m,)."""

    kind: ClassVar[str] = "prototypes"
    embeddings: Tensor
    ages: Tensor
    counts: Tensor
    embedder: str
    digest: str

    def nearest(self, ages: Tensor) -> Tensor:
        """The prototypes (b, width) of the years nearest to ages (b,)."""
        return self.embeddings[_nearest(self.ages, ages)]

    def require(self, identity_net: IdentityNetwork) -> None:
        """WeightsError unless this very network built them."""
        if (self.embedder, self.digest) != (identity_net.name, identity_net.digest):
            ours = embedder_label(self.embedder, self.digest)
            theirs = embedder_label(identity_net.name, identity_net.digest)
            raise WeightsError(
                f"the prototypes were built by {ours}, and {theirs} is in use",
                hint="build them anew with `tm bank anchors --embedder`",
            )


class Measured(NamedTuple):
    """The output of a network on pictures, (n, ...), their ages (n,), and what was left out."""

    values: Tensor
    ages: Tensor
    left_out: tuple[tuple[str, str], ...]
    """Names of pictures with the reason."""


def age_anchors(
    codes: Tensor, ages: Tensor, *, latent_average: Tensor, prior: str, bin_size: int = BIN
) -> AgeAnchors:
    """Anchors of codes (n, styles, width), the latent average included, at ages (n,) in years."""
    if codes.shape[1:] != latent_average.shape:
        raise ValueError(f"codes {tuple(codes.shape)} do not go with {tuple(latent_average.shape)}")
    # Bins of anchors begin at 40, 45, ..., those of banks at 38, 43, ...
    bins = torch.floor(ages / bin_size).long()
    groups = [(bins == number).nonzero()[:, 0] for number in bins.unique()]
    kept = [rows[_inliers(codes[rows].float())] for rows in groups]
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


def anchors_of_photos(
    faces: Sequence[Face],
    model: TimeMachine,
    progress: Progress,
    *,
    device: torch.device,
    bin_size: int = BIN,
) -> tuple[AgeAnchors, Measured]:
    """Invert pictures by the model's frozen prior and average them by age bin."""
    size, average = model.psp.shape.size, model.latent_average
    measured = measure(faces, lambda photos: model.invert(resized(photos, size)), progress, device)
    prior = weights_digest(model.psp.state_dict())
    anchors = age_anchors(
        measured.values, measured.ages, latent_average=average, prior=prior, bin_size=bin_size
    )
    return anchors, measured


def prototypes_of_photos(
    faces: Sequence[Face],
    identity_net: IdentityNetwork,
    progress: Progress,
    *,
    device: torch.device,
) -> tuple[Prototypes, Measured]:
    """Embed a person's pictures and average them by year."""
    measured = measure(faces, identity_net.embed, progress, device)
    return prototypes(measured.values, measured.ages, identity_net), measured


@torch.no_grad()
def measure(
    faces: Sequence[Face],
    network: Callable[[Tensor], Tensor],
    progress: Progress,
    device: torch.device,
) -> Measured:
    """Run a network on the pictures whose age is known; InputError if none is readable."""
    left_out = {face.path: NO_AGE for face in faces if face.age is None}

    def work(batch: Sequence[tuple[Face, float]]) -> list[tuple[Tensor, float] | None]:
        portraits: list[Tensor] = []
        ages: list[float | None] = []
        for face, age in batch:
            try:
                portraits.append(read_portrait(face.path))
                ages.append(age)
            except PictureError as error:
                left_out[face.path] = error.reason
                ages.append(None)
        outputs = by_size(portraits, network, device)
        return [None if age is None else (next(outputs), age) for age in ages]

    aged = [(face, face.age) for face in faces if face.age is not None]
    rows: list[tuple[Tensor, float]] = []
    with reported(progress, "Reading the photos", len(aged)):
        for row in in_batches(work, aged, batch=BATCH):
            rows += [row] if row is not None else []
            progress.advance()
    if not rows:
        raise InputError(f"no picture is usable: {'; '.join(sorted(set(left_out.values())))}")
    values = torch.stack([value for value, _ in rows])
    reasons = tuple((path.name, reason) for path, reason in left_out.items())
    return Measured(values, torch.tensor([age for _, age in rows]), reasons)


def _inliers(codes: Tensor) -> Tensor:
    """Which codes (n, styles, width) of one bin are no outliers: bool (n,).

    By the distance of the whole code to the median: of 512 coordinates alone, some is beyond 2.5
    deviations in nearly every code.
    """
    flat, keep = codes.flatten(1), torch.ones(len(codes), dtype=torch.bool)
    if len(codes) < MIN_CODES:
        return keep
    for _ in range(ROUNDS):
        distance = (flat - flat[keep].median(dim=0).values).norm(dim=1)
        middle = distance[keep].median()
        deviation = MAD_TO_SIGMA * (distance[keep] - middle).abs().median()
        keep = distance <= middle + MAX_DEVIATIONS * deviation
    return keep


def _nearest(ours: Tensor, ages: Tensor) -> Tensor:
    """The index of the nearest of our ages (m,) for each of ages (b,): the younger of two."""
    return (ages[:, None] - ours.to(ages)).abs().argmin(dim=1)
