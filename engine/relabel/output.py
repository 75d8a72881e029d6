"""The files of `tm relabel` beside `labels.json`: labels as CSV, a report, a training manifest."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.counterparts import Counterparts
from engine.data.csv_table import csv_text
from engine.data.ffhq_aging import GROUPS
from engine.data.labels import Label
from engine.data.manifest import seen_from
from engine.relabel.sampling import Sampling

COLUMNS = (
    "source", "age", "age_std", "var_between", "var_within", "range", "age_group", "original_group",
    "original_group_conf", "label", "label_off_by", "n_experts", "confidence", "reliability",
)  # fmt: skip
DIGITS = 4


def labels_csv(labels: Mapping[str, Label], experts: Sequence[str]) -> str:
    """One line for each picture: its label, then every expert's age, weight and confidence."""
    columns = ["id", *COLUMNS, "flags", "keep"]
    columns += [f"{name}_{what}" for name in experts for what in ("age", "conf", "weight")]
    rows: list[dict[str, Any]] = []
    for name, label in labels.items():
        row = {column: getattr(label, column) for column in COLUMNS}
        row |= {"id": name, "flags": " ".join(label.flags), "keep": int(label.keep)}
        for expert, output in label.experts.items():
            row |= {f"{expert}_{what}": getattr(output, what) for what in ("age", "conf", "weight")}
        rows.append(row)
    return _csv(columns, rows)


def report_csv(labels: Mapping[str, Label], experts: Sequence[str]) -> str:
    """One line for each age group of FFHQ-Aging and one for all: counts, reliability, moves."""
    known = [label for label in labels.values() if label.age is not None]
    groups: list[tuple[str, list[Label]]] = [
        (f"{low}-{high}", [label for label in known if label.age_group == place])
        for place, (low, high) in enumerate(GROUPS)
    ]
    rows = [
        _group_row(name, place, members, known, experts)
        for place, (name, members) in enumerate(groups)
    ]
    whole = _group_row("all", None, known, known, experts)
    whole |= {"n_unlabelled": len(labels) - len(known)}
    whole |= balance([len(members) for _, members in groups])
    return _csv(list(whole), [*rows, whole])


def balance(counts: Sequence[int]) -> dict[str, float | None]:
    """How evenly ages are spread over the groups: entropy in 0..1, and Gini's coefficient.

    >>> balance([5, 5, 5, 5]), balance([20, 0, 0, 0])
    ({'entropy': 1.0, 'gini': 0.0}, {'entropy': 0.0, 'gini': 0.75})
    """
    total = sum(counts)
    if total == 0:
        return {"entropy": None, "gini": None}
    shares = np.sort(np.asarray(counts, np.float64)) / total
    present = shares[shares > 0]
    entropy = abs(float(-(present * np.log(present)).sum() / np.log(len(shares))))
    rank = np.arange(1, len(shares) + 1)
    gini = float(((2 * rank - len(shares) - 1) * shares).sum() / len(shares))
    return {"entropy": round(entropy, DIGITS), "gini": round(gini, DIGITS)}


def manifest_rows(
    labels: Mapping[str, Label],
    folder: Path,
    sampling: Sampling,
    counterparts: Counterparts | None = None,
) -> list[dict[str, Any]]:
    """The kept faces as rows of a training manifest in `folder`: age, reliability, weight.

    `source` is the face, `label` its id in `labels.json`, `enhanced` the picture made of it, null
    without one.
    """
    named = {name: label for name, label in labels.items() if label.keep}
    kept = list(named.values())
    weights = sampling.weights(
        [label.reliability for label in kept],
        [label.age_group for label in kept if label.age_group is not None],
    )
    enhanced = [counterparts and counterparts.of(str(label.source)) for label in kept]
    return [
        {
            "source": seen_from(folder, Path(str(label.source))),
            "label": name,
            "enhanced": None if other is None else seen_from(folder, other),
            "output": seen_from(folder, Path(str(label.source))),
            "status": "done",
            "age": label.age,
            "age_by": "mixture",
            "age_std": label.age_std,
            "reliability": label.reliability,
            "weight": round(float(weight), DIGITS),
        }
        for (name, label), weight, other in zip(named.items(), weights, enhanced, strict=True)
    ]


def _group_row(
    name: str,
    group: int | None,
    members: Sequence[Label],
    known: Sequence[Label],
    experts: Sequence[str],
) -> dict[str, Any]:
    ages = np.array([label.age for label in members])
    labelled = [label for label in members if label.original_group is not None]
    moved_out = [
        label
        for label in known
        if group is not None and label.original_group == group and label.age_group != group
    ]
    moved = [label for label in labelled if label.original_group != label.age_group]
    row: dict[str, Any] = {
        "group": name,
        "n_total": len(members),
        "n_kept": sum(label.keep for label in members),
        "pct": _rounded(100 * len(members) / len(known)) if known else None,
        "mean_age": _mean(ages),
        "std_age": _rounded(float(ages.std())) if len(ages) else None,
        "mean_reliability": _mean([label.reliability for label in members]),
        "n_moved_in": len(moved) if labelled else None,
        "n_moved_out": (len(moved) if group is None else len(moved_out)) if labelled else None,
        "agree_with_original": _rounded(1 - len(moved) / len(labelled)) if labelled else None,
        "mean_between_std": _mean(
            [label.var_between**0.5 for label in members if label.var_between is not None]
        ),
        "male": _count_of("male", labelled),
        "female": _count_of("female", labelled),
    }
    for expert in experts:
        errors = np.array(
            [
                output.age - label.age
                for label in members
                if (output := label.experts.get(expert)) is not None
                and output.age is not None
                and label.age is not None
            ]
        )
        row |= {
            f"{expert}_coverage": _rounded(len(errors) / len(members)) if members else None,
            f"{expert}_bias": _mean(errors),
            f"{expert}_mae": _mean(np.abs(errors)),
        }
    return row


def _count_of(gender: str, labelled: Sequence[Label]) -> int | None:
    """None where no table of genders was audited."""
    return sum(label.gender == gender for label in labelled) if labelled else None


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    return csv_text([columns, *([row.get(column, "") for column in columns] for row in rows)])


def _mean(numbers: Any) -> float | None:
    values = np.asarray(numbers, np.float64)
    return _rounded(float(values.mean())) if values.size else None


def _rounded(number: float) -> float:
    return round(number, DIGITS)
