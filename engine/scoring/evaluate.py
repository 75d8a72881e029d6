"""From what there is to judge to the report: figures, comparisons, rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.progress import Progress
from engine.evaluators.suite import Panel, Seen
from engine.metrics.set_distances import RealSet, set_distances
from engine.scoring.material import COPIED, Material, Method, controls
from engine.scoring.paired import paired
from engine.scoring.recognition import real_pairs, verified
from engine.scoring.rows import References, Row, examined, looked_at
from engine.scoring.summary import by_gap, by_target, figures

DIGITS = 6
RESERVED = ("kind", "name", "ways", "subject", "people", "minutes", "device", "domain", "judges",
            "controls", "paired", "rows", "real_pairs", "photos", "null", "same_tasks")  # fmt: skip
"""Keys of a report that no way may be called by."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report, and the pictures it speaks of."""

    report: dict[str, Any]
    material: Material
    ways: tuple[Method, ...]
    """Those that were asked for, then the controls."""


def evaluate(
    material: Material, panel: Panel, progress: Progress, *, subject: str | None, device: str
) -> Evaluation:
    """Judge every way and every control; `subject` is the way that gates mean if they name none.

    Everything is judged at one side (`Material.at_one_side`). Figures of each way stand under its
    name, those of the controls too: `copied` at the top, where there are photos of the person, the
    others under `controls`.
    """
    judged = material.at_one_side()
    everybody = (*judged.ways, *controls(judged))
    _look(judged, everybody, panel, progress)
    references = looked_at(judged, panel)
    strangers = panel.see(judged.strangers) if judged.strangers else None
    real = _real(references, panel)
    told: dict[str, dict[str, Any]] = {}
    rows: dict[str, list[Row]] = {}
    for way in everybody:
        rows[way.name], seen = examined(way, references, panel, progress)
        told[way.name] = figures(rows[way.name], panel)
        told[way.name]["verification"] = _verification(rows[way.name], seen, strangers, panel)
        if real is not None and not way.control:
            told[way.name]["sets"] = set_distances(seen.features, real)
        told[way.name]["by_target"] = by_target(rows[way.name], panel)
        told[way.name]["by_gap"] = by_gap(rows[way.name], panel)
    names = [way.name for way in material.ways]
    top = [*names, *([COPIED] if COPIED in told else [])]
    report: dict[str, Any] = {
        "kind": "portraits",
        "name": material.name,
        **{name: told[name] for name in top},
        "people": material.people,
        "device": device,
        "domain": panel.domain,
        "ways": names,
        "subject": subject,
        "same_tasks": len({frozenset(way.portraits) for way in material.ways}) == 1,
        "photos": _photos(material),
        "judges": _judges(panel, material),
        "paired": paired({name: rows[name] for name in top}, panel),
        "real_pairs": real_pairs(references, panel.identity),
        "controls": {name: value for name, value in told.items() if name not in top},
        "rows": rows,
    }
    return Evaluation(plain(report), material, (*material.ways, *controls(material)))


def _look(material: Material, ways: Sequence[Method], panel: Panel, progress: Progress) -> None:
    """Let the panel see everything at once, which is where processes pay."""
    pictures = [pixels for way in ways for pixels in way.portraits.values()]
    pictures += [*material.truth.values(), *material.strangers]
    pictures += [source.face() for source in material.sources.values()]
    if material.photos is not None:
        pictures += material.photos.pictures
    panel.see(pictures, progress)


def _verification(rows: list[Row], seen: Seen, strangers: Seen | None, panel: Panel) -> Any:
    judge = panel.identity
    others = None if strangers is None else strangers.vectors[judge.name]
    at = [i for i, row in enumerate(rows) if row["closeness"] is not None]
    close = [rows[i]["closeness"] for i in at]
    return verified(close, seen.vectors[judge.name][at], others, judge)


def _real(references: References, panel: Panel) -> RealSet | None:
    """The photos of the person if there are any, else the truth."""
    if references.photos is not None:
        return RealSet(references.photos.features, panel.extractor, "photos")
    if references.truth is not None:
        order = np.argsort([task.target for task in references.truth_rows], kind="stable")
        return RealSet(references.truth.features[order], panel.extractor, "truth")
    return None


def _photos(material: Material) -> dict[str, Any] | None:
    photos = material.photos
    if photos is None:
        return None
    low, high = photos.span
    return {"count": len(photos.ages), "youngest": low, "oldest": high}


def _judges(panel: Panel, material: Material) -> dict[str, Any]:
    return {
        "identity": panel.identity.name,
        "identity_means": panel.identity.about,
        "identity_limit": abs(panel.identity.limit),
        "perceptual": panel.perceptual,
        "age": panel.age_by,
        "others": [judge.name for judge in panel.identities[1:]]
        + [name for name in panel.distances if name != panel.perceptual],
        "compared_at_px": material.side,
        "shrunk": _shrunk(material),
    }


def _shrunk(material: Material) -> bool:
    """Whether anything was larger than what it is compared at."""
    side, photos = material.side, material.photos
    pictures = [pixels for way in material.ways for pixels in way.portraits.values()]
    pictures += [*material.truth.values(), *(photos.pictures if photos is not None else ())]
    pictures += [source.face() for source in material.sources.values()]
    return any(len(pixels) > side for pixels in pictures)


def plain(value: Any) -> Any:
    """Values for JSON: floats rounded, so that last bits of a sum are nobody's news."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if np.isfinite(value) else None
    return value
