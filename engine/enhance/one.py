"""One picture of a batch: read, enhanced, written with its sidecar."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from engine.core.atomic import write_json, written
from engine.core.batch import INPUT_FAULTS, fault_row
from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.core.jsontext import to_json
from engine.core.ledger import Row
from engine.data.manifest import seen_from
from engine.enhance.album import Place
from engine.enhance.chain import Chain, Enhanced, Used
from engine.enhance.figures import SIDE, figures, installed_lpips
from engine.enhance.plan import EnhancePlan
from engine.images.plausible import require_plausible
from engine.images.png import write_png
from engine.images.raster import Origin, Raster, read_raster, resized
from engine.images.saving import KEY, tool_version
from engine.nets.protocols import Distance

SCHEMA = 1


class Job(NamedTuple):
    """A picture and the path of its result without suffix."""

    photo: Path
    output: Path


@dataclass(slots=True, eq=False)
class Read:
    """A decoded picture, or `status` and `reason` of a fault.

    `raster` is given away once it is worked on; sha256 is None for a file that cannot be read.
    """

    sha256: str | None
    raster: Raster | None = None
    width: int = 0
    height: int = 0
    origin: Origin | None = None
    fault: Row | None = None

    def take(self) -> Raster:
        """Give the picture away."""
        assert self.raster is not None
        raster, self.raster = self.raster, None
        return raster


@dataclass(frozen=True, slots=True, eq=False)
class Worked:
    """An enhanced picture, ready to be written, or `status` and `reason` of a fault."""

    read: Read
    enhanced: Enhanced | None = None
    metrics: dict[str, Any] | None = None
    fault: Row | None = None


def read_one(job: Job, plan: EnhancePlan) -> Read:
    """Decode a picture at its own depth."""
    digest: str | None = None
    try:
        digest = file_sha256(job.photo)
        raster, origin = read_raster(job.photo, max_megapixels=plan.recipe.max_megapixels)
    except INPUT_FAULTS as error:
        return Read(digest, fault=fault_row(error))
    return Read(digest, raster, raster.width, raster.height, origin)


def work_one(read: Read, chain: Chain, plan: EnhancePlan, used: list[Used] | None = None) -> Worked:
    """Send a decoded picture through the chain."""
    if read.raster is None:
        return Worked(read, fault=read.fault)
    before = np.array(read.raster.shrunk(SIDE))
    try:
        made = read.width * read.height * chain.scale**2 / 1e6
        if made > plan.recipe.max_output_megapixels:
            raise PictureError(
                f"would become {made:.0f} megapixels, over the limit of"
                f" {plan.recipe.max_output_megapixels:g}"
            )
        enhanced = chain.run(read.take, used)
        if plan.recipe.side is not None:
            enhanced.picture = resized(enhanced.picture, plan.recipe.side)
        after = np.ascontiguousarray(enhanced.picture.shrunk(SIDE))
        require_plausible(after, before, same=True)
    except INPUT_FAULTS as error:
        return Worked(read, fault=fault_row(error))
    metrics = figures(before, after, enhanced, _distance())
    return Worked(read, enhanced, metrics)


@cache
def _distance() -> Distance | None:
    return installed_lpips()


def write_one(job: Job, worked: Worked, plan: EnhancePlan) -> Row:
    """Write the picture and its sidecar; returns the row of the manifest."""
    source = seen_from(plan.out, job.photo)
    relative = plan.relative(job.photo)
    place = plan.recipe.album.place(relative)
    row: Row = {
        "source": source,
        "sha256": worked.read.sha256,
        "age": place.age,
        "age_by": None if place.age is None else "name",
        "settings": plan.settings,
        **({"person": place.subject} if place.subject is not None else {}),
        **({"split": place.split} if place.split is not None else {}),
    }
    if worked.enhanced is None or worked.metrics is None:
        assert worked.fault is not None
        return row | {"output": None, **worked.fault}
    try:
        return row | _written(job, worked, plan, relative, place)
    except INPUT_FAULTS as error:
        return row | {"output": None, **fault_row(error)}


def _written(job: Job, worked: Worked, plan: EnhancePlan, relative: Path, place: Place) -> Row:
    """Write both files; returns what the row says of them."""
    enhanced, metrics = worked.enhanced, worked.metrics
    assert enhanced is not None
    path, sidecar = named(job.output, ".png"), named(job.output, ".json")
    with written(path) as file:
        text = to_json(_provenance(worked, plan))
        write_png(file, enhanced.picture, {KEY: text})
    digest, origin = file_sha256(path), worked.read.origin
    assert origin is not None
    reasons = _reasons(enhanced, plan)
    content = {
        "schema": SCHEMA,
        "source": {
            "relpath": relative.as_posix(),
            "sha256": worked.read.sha256,
            "width": worked.read.width,
            "height": worked.read.height,
            "mode": origin.mode,
            "exif_orientation": origin.orientation,
            "bytes": origin.size,
        },
        "subject_id": place.subject,
        "age_true": place.age,
        "age_group": place.age_group,
        "steps": enhanced.steps,
        "domain": enhanced.domain,
        "faces": enhanced.faces,
        "output": {
            "relpath": path.relative_to(plan.out).as_posix(),
            "sha256": digest,
            "width": enhanced.picture.width,
            "height": enhanced.picture.height,
        },
        "metrics": metrics,
        "verdict": "drop" if reasons else "keep",
        "reasons": reasons,
        "settings": plan.settings,
        "threads": torch.get_num_threads(),
        "tool_version": tool_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": plan.recipe.album.seed,
    }
    write_json(sidecar, content)
    skipped = {s["name"]: s["skipped_reason"] for s in enhanced.steps if "skipped_reason" in s}
    return {
        "output": seen_from(plan.out, path),
        "status": "done",
        "reason": None,
        "output_sha256": digest,
        "sidecar": seen_from(plan.out, sidecar),
        "sidecar_sha256": file_sha256(sidecar),
        "enhanced": True,
        "skipped_steps": skipped,
        "guarded_by": _guards(enhanced, plan),
        "verdict": content["verdict"],
        "reasons": reasons,
    }


def named(stem: Path, suffix: str) -> Path:
    """The stem with a suffix appended: `a.b` is a stem, too."""
    return stem.with_name(f"{stem.name}{suffix}")


def _guards(enhanced: Enhanced, plan: EnhancePlan) -> dict[str, str | None] | None:
    """The estimators of the guard; None without a face or a guard."""
    evaluator = enhanced.evaluator
    if evaluator is None or not plan.recipe.guard.on:
        return None
    return {"identity": evaluator.identity_by, "age": evaluator.age_by}


def _provenance(worked: Worked, plan: EnhancePlan) -> dict[str, Any]:
    """The text inside the PNG: only what another run with the same settings repeats."""
    assert worked.enhanced is not None
    kept = ("name", "model", "weights_sha256", "strength")
    return {
        "tool": f"tm {tool_version()}",
        "made": "enhanced",
        "synthetic": True,
        "steps": [{key: step[key] for key in kept} for step in worked.enhanced.steps],
        "source_sha256": worked.read.sha256,
        "settings": plan.settings,
    }


def _reasons(enhanced: Enhanced, plan: EnhancePlan) -> list[str]:
    """Why the picture should not be trained on, none if it may be."""
    comparison, limits = enhanced.comparison, plan.recipe.guard
    reasons: list[str] = []
    if comparison.identity is not None and comparison.identity < limits.reject_identity:
        reasons.append(f"identity {comparison.identity:.2f} to its source")
    if comparison.drift is not None and abs(comparison.drift) > limits.reject_drift:
        reasons.append(f"age moved by {comparison.drift:+.1f} years")
    return reasons
