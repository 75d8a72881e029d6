"""A clip to clips at other ages: two passes, resumable by segments, rows for the ledger."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from engine.core.batch import INPUT_FAULTS, BatchReport, fault_row, is_current
from engine.core.digest import settings_digest
from engine.core.dry_run import end_of_checks
from engine.core.errors import PictureError, UsageError
from engine.core.held import HeldFolder
from engine.core.jsontext import from_json
from engine.core.ledger import Ledger, Row
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.core.regular import read_text
from engine.data.domains import Domain
from engine.data.manifest import seen_from
from engine.evaluators.drawn import domain_of
from engine.faces.descriptor import describe_face
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import quad_of
from engine.images.saving import tool_version
from engine.inference.folder import RESULTS
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject
from engine.video.ageing import Second, Timing, Work, seconds_of, timing_of
from engine.video.clip import frames_of, pixels_of, read_clip
from engine.video.follow import Follower, face_of
from engine.video.method import FrameMethod
from engine.video.segments import join, require_parts
from engine.video.survey import Track, load_track, save_track, survey

VERSION = 3
"""Of how clips are made: segments of another one are made anew."""
CRF = 18
WHOLE = 0.9
"""Share of the frames that a clip says it has, under which the rest is missed."""

MethodMaker = Callable[[Subject, Domain], FrameMethod]
"""Makes what ages the frames, for a person and whether they are drawn; PictureError refuses."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """How a clip is written: `crf` of the encoder, and whether frames say that they are made."""

    crf: int = CRF
    watermark: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise UsageError(f"the crf {self.crf} is outside 0..51", hint="18 looks like the input")


def age_clip(plan: InferPlan, how: ClipPlan, make: MethodMaker, progress: Progress) -> BatchReport:
    """Age the clip that is the plan's source, unless its ledger holds it under these settings.

    A clip that cannot be used gives one row with the reason.
    """
    plan.choice.check()
    source = seen_from(plan.out, plan.source)
    digest = settings_digest(
        {"plan": plan.digest, "crf": how.crf, "watermark": how.watermark, "version": VERSION}
    )
    with (
        locked(plan.out, guarded=True, inputs=[plan.source]) as held,
        Ledger(plan.out / RESULTS, key=_key) as ledger,
    ):
        _require_names(plan, [row for row in ledger.rows.values() if row["source"] != source])
        old = [row for row in ledger.rows.values() if row["source"] == source]
        wanted = [row for row in old if row["target_age"] in plan.ages]
        if len(wanted) == len(plan.ages) and is_current(plan.source, wanted, plan.out, digest):
            return BatchReport((), 1)
        try:
            rows = _aged(plan, how, make, progress, held)
        except INPUT_FAULTS as error:
            rows = [{"output": None, **fault_row(error), "target_age": None}]
        rows = [{"source": source, **row, "settings": digest} for row in rows]
        ledger.replace([row for row in old if row["target_age"] in (None, *plan.ages)], rows)
    return BatchReport(tuple(rows), 0)


def _outputs(plan: InferPlan) -> dict[float, Path]:
    return {age: plan.out / f"{plan.source.stem}_age{age:g}.mp4" for age in plan.ages}


def _require_names(plan: InferPlan, others: Sequence[Row]) -> None:
    """UsageError where the clip would take the name of what was made of another one."""
    made = {row["output"] for row in others}
    for path in _outputs(plan).values():
        if path.name in made:
            raise UsageError(
                f"`{path}` was made of another clip of that name",
                hint="choose another folder by `--out`, or rename the clip",
            )


def _aged(
    plan: InferPlan, how: ClipPlan, make: MethodMaker, progress: Progress, held: HeldFolder
) -> list[Row]:
    started = time.perf_counter()
    clip = read_clip(plan.source)
    follower = Follower(plan.choice, plan.faces)
    outputs = _outputs(plan)
    held.require_own(*(path.name for path in outputs.values()))
    names = {name: str(getattr(plan, name)) for name in ("ages", "digest")}
    key = settings_digest({**names, "clip": clip.sha256, "how": str(how), "version": VERSION})
    folder = plan.out / f".{plan.source.stem}.{key[:12]}.parts"
    work = Work(clip, plan.ages, how.crf, how.watermark, folder, plan.evaluate)
    if clip.hdr is not None:
        progress.remark(f"the clip is HDR ({clip.hdr}): it is aged and written as SDR (BT.709)")
    if clip.width % 2 or clip.height % 2:
        progress.remark(
            f"the clip is {clip.width} x {clip.height} px: odd sides are written as H.264 4:4:4, "
            "which some players do not show"
        )

    def method_of(pixels: Pixels, face: Face, number: int) -> FrameMethod:
        subject = Subject(clip.path, clip.sha256, pixels, quad_of(face.landmarks), face, None)
        return make(subject, domain_of(describe_face(pixels, face)))

    end_of_checks()
    for stale in plan.out.glob(f".{escape(plan.source.stem)}.*.parts"):
        if stale != folder:
            clear(held, stale)
    track, method = _surveyed(work, follower, method_of, progress)
    if len(track.ticks) < WHOLE * clip.frames:
        progress.remark(
            f"the clip is damaged or cut short: {len(track.ticks)} of about {clip.frames} frames "
            "could be read"
        )
    method.settle(track.whole())
    seconds = seconds_of(clip, track)
    points = track.steady_points(seconds)
    timing = timing_of(seconds, track, points)
    if not (timing.runs >= 0).any():
        raise PictureError("shows the face too shortly to be followed", status="skipped")
    segments = np.unique(timing.segments).tolist()
    begun = next((n for n in segments if not work.is_whole(n)), None)
    if begun is not None:
        left = int((timing.segments >= begun).sum())
        with reported(progress, "Ageing the clip", left):
            Second(work, track, method, timing, points).run(progress, begun)
    lost = _joined(work, outputs, timing, track)
    for text in lost:
        progress.remark(text)
    rows = [
        _row(work, method, plan, path, timing, age)
        | {"seconds": round(time.perf_counter() - started, 1)}
        for age, path in outputs.items()
    ]
    clear(held, folder)
    return rows


def _surveyed(
    work: Work,
    follower: Follower,
    make: Callable[[Pixels, Face, int], FrameMethod],
    progress: Progress,
) -> tuple[Track, FrameMethod]:
    """The first pass, or what an earlier run kept of it."""
    made: list[FrameMethod] = []

    def once(pixels: Pixels, face: Face, number: int) -> FrameMethod:
        made.append(make(pixels, face, number))
        return made[0]

    place = work.folder / "track.npz"
    track = load_track(place)
    if track is None:
        track = survey(work.clip, follower, once, progress)
        save_track(place, track)
        return track, made[0]
    for frame in frames_of(work.clip):
        if frame.number == track.first:
            pixels = pixels_of(frame.picture, work.clip)
            face = face_of(track.points[track.first], follower.source.detection.profile_yaw)
            method = make(pixels, face, frame.number)
            if track.fits(method.measure(pixels, face)):
                return track, method
            break
    place.unlink()  # of another clip or version, or edited: look again
    return _surveyed(work, follower, make, progress)


def _joined(work: Work, outputs: dict[float, Path], timing: Timing, track: Track) -> list[str]:
    """Write the outputs; what is left out of their sound."""
    segments = np.unique(timing.segments).tolist()
    starts = [int(track.ticks[np.searchsorted(timing.segments, n)]) for n in segments]
    lost: list[str] = []
    for age, path in outputs.items():
        places = [work.part(n, age) for n in segments]
        require_parts(places)
        note = f"synthetic: re-aged to {age:g} years by tm {tool_version()}"
        lost = join(path, work.clip, zip(places, starts, strict=True), note)
    return lost


def _row(
    work: Work, method: FrameMethod, plan: InferPlan, path: Path, timing: Timing, age: float
) -> Row:
    """The row of one output: means over the frames that were evaluated."""
    estimates = [one for one in _estimates(work, timing) if one["age"] == age]
    ages = [one["predicted_age"] for one in estimates if one["predicted_age"] is not None]
    same = [one["identity"] for one in estimates if one["identity"] is not None]
    first = estimates[0] if estimates else {}
    shared = ("age_by", "identity_by", "identity_d0", "identity_d0_of")
    return {
        "output": seen_from(plan.out, path),
        "status": "done",
        "reason": None,
        "target_age": age,
        "predicted_age": round(fmean(ages), 2) if ages else None,
        "predicted_age_spread": round(pstdev(ages), 2) if ages else None,
        "identity": round(fmean(same), 4) if same else None,
        "identity_reconstruction": None,
        **{name: first.get(name) for name in shared if name in first or name != "identity_d0_of"},
        "sha256": work.clip.sha256,
        "model": method.name,
        "frames": len(timing.runs),
        "frames_unchanged": int((timing.runs < 0).sum()),
        "frames_evaluated": len(estimates),
        **method.facts(age),
    }


def _estimates(work: Work, timing: Timing) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for segment in np.unique(timing.segments).tolist():
        rows += from_json(read_text(work.mark(segment)))["estimates"]
    return rows


def clear(held: HeldFolder, folder: Path) -> None:
    """Remove the segments of a clip that is done."""
    if folder.is_dir():
        held.remove(*(f"{folder.name}/{path.name}" for path in folder.iterdir()))
        if not any(folder.iterdir()):
            folder.rmdir()


def _key(row: Row) -> str:
    return f"{row['source']} {row['target_age']}"
