"""The plan of a batch of enhancements, and the checks of its paths."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import torch

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.core.ledger import outputs_of
from engine.core.regular import real
from engine.data.domains import Domain
from engine.data.manifest import MANIFEST
from engine.enhance.base import StepChoice
from engine.enhance.chain import Chain, require_steps
from engine.enhance.face_evaluators import FaceEvaluators
from engine.enhance.guard import FaceEvaluatorFactory
from engine.enhance.recipe import EnhanceRecipe
from engine.images.naming import output_stems
from engine.runtime.device import Compute


@dataclass(frozen=True, slots=True)
class EnhancePlan:
    """A recipe, paths and a device; built once, sent to every process."""

    recipe: EnhanceRecipe
    source: Path
    out: Path
    device: str
    evaluators: Callable[[], FaceEvaluatorFactory]
    """Builds the factory of evaluators; called once in each process."""
    settings: str
    """Changes whenever a rerun could give other pixels: steps, guard, and weights."""

    @classmethod
    def of(
        cls,
        recipe: EnhanceRecipe,
        source: Path,
        out: Path,
        compute: Compute,
        evaluators: Callable[[], FaceEvaluatorFactory] | None = None,
    ) -> Self:
        """The plan of a recipe; evaluators: those of the installed weights if None.

        UsageError without steps, WeightsError for a step whose weights are missing.
        """
        require_steps(recipe.steps)
        device = str(compute.device)
        if evaluators is None:
            evaluators = partial(FaceEvaluators, device)
        return cls(recipe, source, out, device, evaluators, digest_of(recipe))

    def chain(self) -> Chain:
        """Load the networks."""
        return Chain(
            self.recipe.steps,
            torch.device(self.device),
            guard=self.recipe.guard,
            detection=self.recipe.detection,
            evaluators=self.evaluators(),
            force=self.recipe.force,
        )

    def relative(self, photo: Path) -> Path:
        """A photo's path below the source."""
        return photo.relative_to(self.source) if photo != self.source else Path(photo.name)


def digest_of(recipe: EnhanceRecipe) -> str:
    """Changes whenever a rerun could give other pixels."""
    return settings_digest(
        {
            "steps": [step.dump() for step in recipe.steps],
            "weights": [file_sha256(path) for step in recipe.steps for path in _files(step)],
            "guard": recipe.guard.dump(),
            "detection": recipe.detection.dump(),
            "side": recipe.side,
            "force": recipe.force,
        }
    )


def _files(step: StepChoice) -> dict[Path, None]:
    """The weights files of a step: one, or two where photographs get another network."""
    domains: tuple[Domain, ...] = ("photos", "portraits")
    return dict.fromkeys(step.file(domain)[1] for domain in domains)


def pictures_of(plan: EnhancePlan) -> dict[Path, Path]:
    """Each picture of the source, and the path of its result without suffix.

    UsageError where the source does not exist, or a result would lie on a source or, for raw
    albums, among the raw data; InputError for a source without pictures.
    """
    source, out = real(plan.source), real(plan.out)
    if source == out:
        raise UsageError(
            f"results may not lie in `{plan.source}` itself", hint="name another folder"
        )
    if plan.recipe.album.raw and (source in out.parents or out in source.parents):
        raise UsageError(
            f"`{plan.source}` is raw data: `{plan.out}` may lie neither in it nor around it",
            hint="name a folder beside it, such as `data/processed/caf_enhanced`",
        )
    own = outputs_of(plan.out / MANIFEST)
    stems = output_stems(plan.source, plan.out, verb="enhance", own=own)
    sources = {real(photo) for photo in stems}
    for photo, stem in stems.items():
        if real(stem.with_name(f"{stem.name}.png")) in sources:
            raise UsageError(
                f"the result of `{photo}` would replace a source", hint="name another folder"
            )
    return stems
