"""What is to be made of a folder, and whether it may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, UsageError
from engine.enhance.album import Album
from engine.enhance.base import StepChoice
from engine.enhance.chain import Chain
from engine.enhance.guard import EvaluatorFactory, Guarding
from engine.faces.detect import Detection
from engine.images.naming import stems
from engine.images.reading import find_pictures


@dataclass(frozen=True, slots=True)
class EnhancePlan:
    """Steps, guard and places; made once, sent to every process."""

    source: Path
    out: Path
    choices: tuple[StepChoice, ...]
    summon: EvaluatorFactory
    device: str
    guarding: Guarding = Guarding()
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
            guarding=self.guarding,
            detection=self.detection,
            summon=self.summon,
            force=self.force,
        )

    def seen(self, photo: Path) -> Path:
        """A photo's path below the source."""
        return photo.relative_to(self.source) if photo != self.source else Path(photo.name)


def digest_of(
    choices: Sequence[StepChoice],
    guarding: Guarding,
    detection: Detection,
    *,
    side: int | None,
    force: bool,
) -> str:
    """What changes whenever a rerun could give other pixels."""
    told: dict[str, Any] = {
        "steps": [choice.dump() for choice in choices],
        "weights": [file_sha256(choice.file()[1]) for choice in choices],
        "guard": guarding.dump(),
        "detection": detection.dump(),
        "side": side,
        "force": force,
    }
    return settings_digest(told)


def pictures_of(plan: EnhancePlan) -> dict[Path, Path]:
    """Each picture of the source and where its result goes, without suffix.

    UsageError where a result would lie on a source or, for raw albums, among the raw data.
    """
    if not plan.source.exists():
        raise UsageError(f"`{plan.source}` does not exist")
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
    found = find_pictures(plan.source)
    photos = [path for path in found.pictures if out not in path.resolve().parents]
    if not photos:
        raise InputError(f"nothing to enhance in `{plan.source}`: {found.explanation}")
    places = {photo: plan.out / stem for photo, stem in stems(photos, plan.source).items()}
    sources = {photo.resolve() for photo in photos}
    for photo, stem in places.items():
        if stem.with_name(f"{stem.name}.png").resolve() in sources:
            raise UsageError(
                f"the result of `{photo}` would replace a source", hint="name another folder"
            )
    return places
