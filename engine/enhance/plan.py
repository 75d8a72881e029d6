"""The plan of a batch of enhancements, and the checks of its paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.enhance.album import Album
from engine.enhance.base import StepChoice
from engine.enhance.chain import Chain
from engine.enhance.guard import FaceEvaluatorFactory, GuardLimits
from engine.faces.detect import Detection
from engine.images.naming import output_stems


@dataclass(frozen=True, slots=True)
class EnhancePlan:
    """Steps, guard and places; made once, sent to every process."""

    source: Path
    out: Path
    choices: tuple[StepChoice, ...]
    evaluators: Callable[[], FaceEvaluatorFactory]
    """Builds the factory of evaluators; called once in each process."""
    device: str
    guard: GuardLimits = GuardLimits()
    detection: Detection = Detection()
    album: Album = Album()
    force: bool = False
    side: int | None = None
    """Long side that results are shrunk to."""
    max_megapixels: float = 250.0
    max_output_megapixels: float = 1_000.0
    settings: str = ""
    """Digest of all that decides the pixels: steps, guard, and the weights' digests."""

    def chain(self) -> Chain:
        """Load the networks."""
        return Chain(
            self.choices,
            torch.device(self.device),
            guard=self.guard,
            detection=self.detection,
            evaluators=self.evaluators(),
            force=self.force,
        )

    def relative(self, photo: Path) -> Path:
        """A photo's path below the source."""
        return photo.relative_to(self.source) if photo != self.source else Path(photo.name)


def digest_of(
    choices: Sequence[StepChoice],
    guard: GuardLimits,
    detection: Detection,
    *,
    side: int | None,
    force: bool,
) -> str:
    """Changes whenever a rerun could give other pixels."""
    settings: dict[str, Any] = {
        "steps": [choice.dump() for choice in choices],
        "weights": [file_sha256(choice.file()[1]) for choice in choices],
        "guard": guard.dump(),
        "detection": detection.dump(),
        "side": side,
        "force": force,
    }
    return settings_digest(settings)


def pictures_of(plan: EnhancePlan) -> dict[Path, Path]:
    """Each picture of the source, and the path of its result without suffix.

    UsageError where the source does not exist, or a result would lie on a source or, for raw
    albums, among the raw data; InputError for a source without pictures.
    """
    source, out = plan.source.resolve(), plan.out.resolve()
    if source == out:
        raise UsageError(
            f"results may not lie in `{plan.source}` itself", hint="name another folder"
        )
    if plan.album.raw and (source in out.parents or out in source.parents):
        raise UsageError(
            f"`{plan.source}` is raw data: `{plan.out}` may lie neither in it nor around it",
            hint="name a folder beside it, such as `data/processed/caf_enhanced`",
        )
    stems = output_stems(plan.source, plan.out, verb="enhance")
    sources = {photo.resolve() for photo in stems}
    for photo, stem in stems.items():
        if stem.with_name(f"{stem.name}.png").resolve() in sources:
            raise UsageError(
                f"the result of `{photo}` would replace a source", hint="name another folder"
            )
    return stems
