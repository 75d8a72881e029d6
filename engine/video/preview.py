"""A strip of a few frames of a clip at every age: a look before hours of work."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from engine.core.batch import INPUT_FAULTS, BatchReport, fault_row
from engine.core.errors import PictureError
from engine.core.ledger import Row
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.data.manifest import seen_from
from engine.evaluators.drawn import domain_of
from engine.faces.descriptor import describe_face
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import quad_of
from engine.images.saving import save_png
from engine.images.sheet import PAPER, contact_sheet
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject
from engine.video.clip import Clip, opened, pixels_of, read_clip
from engine.video.follow import Follower
from engine.video.method import FrameMethod
from engine.video.run import MethodMaker
from engine.video.tones import Tones

CELL = 384
"""Longer side in px of a frame in the strip."""


def preview_clip(plan: InferPlan, count: int, make: MethodMaker, progress: Progress) -> BatchReport:
    """Write `OUT/<stem>_preview.png`: evenly spaced frames in a row, below them each age.

    A clip that cannot be used gives one row with the reason; nothing enters the ledger.
    """
    plan.choice.check()
    path = plan.out / f"{plan.source.stem}_preview.png"
    row: Row = {"source": seen_from(plan.out, plan.source), "target_age": None}
    with locked(plan.out, guarded=True, inputs=[plan.source]) as held:
        try:
            clip = read_clip(plan.source)
            held.require_own(path.name)
            with reported(progress, "Preview", count):
                sheet = _sheet(clip, plan, count, make, progress)
        except INPUT_FAULTS as error:
            return BatchReport(({**row, "output": None, **fault_row(error)},), 0)
        made = {"made": "preview of a clip", "synthetic": True, "target_ages": list(plan.ages)}
        save_png(path, sheet, made)
    return BatchReport(
        (
            {
                **row,
                "output": path.name,
                "status": "done",
                "reason": None,
                "predicted_age": None,
                "identity": None,
            },
        ),
        0,
    )


def _sheet(
    clip: Clip, plan: InferPlan, count: int, make: MethodMaker, progress: Progress
) -> Pixels:
    follower = Follower(plan.choice, plan.faces)
    method: FrameMethod | None = None
    rows: list[list[Pixels]] = [[] for _ in range(len(plan.ages) + 1)]
    captions: list[str] = []
    for seconds, pixels in _spaced(clip, count):
        face = follower.step(pixels, new_shot=True)
        aged: Sequence[Pixels] = [pixels] * len(plan.ages)
        if face is not None and not face.profile:
            if method is None:
                subject = Subject(clip.path, clip.sha256, pixels, quad_of(face.landmarks), face)
                method = make(subject, domain_of(describe_face(pixels, face)))
            means = method.measure(pixels, face)
            method.settle(means)
            prepared = method.prepared(pixels, face, method.look(pixels, face), means)
            aged = method.pictures(prepared, method.change(prepared))
        for row, picture in zip(rows, [pixels, *aged], strict=True):
            row.append(picture)
        captions.append(f"{seconds:.1f} s")
        progress.advance()
    if method is None:
        raise PictureError("no face found in the frames of the preview", status="skipped")
    named = [captions, *([f"{age:g} years"] * len(captions) for age in plan.ages)]
    return contact_sheet(
        [_squared(picture) for row in rows for picture in row],
        [caption for row in named for caption in row],
        columns=len(captions),
        cell=CELL,
    )


def _squared(pixels: Pixels) -> Pixels:
    """A frame (h, w, 3) in the middle of a square."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.full((side, side, 3), PAPER, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def _spaced(clip: Clip, count: int) -> list[tuple[float, Pixels]]:
    """Evenly spaced frames with their seconds, each the first one that can be sought."""
    length = clip.frames / float(clip.rate)
    frames: list[tuple[float, Pixels]] = []
    tones = Tones(clip.transfer)
    for share in (np.arange(count) + 0.5) / count:
        with opened(clip.path) as (container, stream):
            start = stream.start_time or 0
            wanted = start + round(length * float(share) / float(clip.time_base))
            container.seek(wanted, stream=stream, backward=True)
            pictures = container.decode(stream)
            later = (one for one in pictures if one.pts is None or one.pts >= wanted)
            frames += [
                (length * float(share), pixels_of(tones(one), clip)) for one in islice(later, 1)
            ]
    if not frames:
        raise PictureError("holds no frame where its length says")
    return frames
