"""What `tm relabel` leaves: labels as JSON and CSV, a report by age group, a training manifest."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.ffhq_aging import GROUPS
from engine.data.manifest import seen_from
from engine.relabel.admission import SamplingCurriculum

Label = Mapping[str, Any]
FLAT = (
    "source", "age", "age_std", "var_between", "var_within", "range", "age_group", "original_group",
    "original_group_conf", "label", "label_off_by", "n_experts", "confidence", "reliability",
)  # fmt: skip
DIGITS = 4


def labels_csv(labels: Mapping[str, Label], experts: Sequence[str]) -> str:
    """One line for each picture: its label, then every expert's age, weight and confidence."""
    columns = ["id", *FLAT, "flags", "keep"]
    columns += [f"{name}_{what}" for name in experts for what in ("age", "conf", "weight")]
    rows: list[dict[str, Any]] = []
    for name, label in labels.items():
        row = {column: label.get(column) for column in FLAT}
        row |= {"id": name, "flags": " ".join(label["flags"]), "keep": int(label["keep"])}
        for expert, vote in label["experts"].items():
            row |= {f"{expert}_{what}": vote.get(what) for what in ("age", "conf", "weight")}
        rows.append(row)
    return _table(columns, rows)


def report_csv(labels: Mapping[str, Label], experts: Sequence[str]) -> str:
    """One line for each age group of FFHQ-Aging and one for all: how many, how sure, what moved."""
    known = {name: label for name, label in labels.items() if label["age"] is not None}
    groups: list[tuple[str, list[Label]]] = [
        (f"{low}-{high}", [label for label in known.values() if label["age_group"] == place])
        for place, (low, high) in enumerate(GROUPS)
    ]
    rows = [
        _group_row(name, place, members, known, experts)
        for place, (name, members) in enumerate(groups)
    ]
    whole = _group_row("all", None, list(known.values()), known, experts)
    whole |= {"n_unlabelled": len(labels) - len(known)}
    whole |= balance([len(members) for _, members in groups])
    return _table(list(whole), [*rows, whole])


def balance(counts: Sequence[int]) -> dict[str, float | None]:
    """How evenly ages are spread over the groups: entropy in 0..1, and Gini's coefficient.

    >>> balance([5, 5, 5, 5]), balance([20, 0, 0, 0])
    ({'entropy': 1.0, 'gini': 0.0}, {'entropy': 0.0, 'gini': 0.75})
    """
    total = sum(counts)
    if total == 0:
        return {"entropy": None, "gini": None}
    shares = np.sort(np.asarray(counts, np.float64)) / total
    some = shares[shares > 0]
    entropy = abs(float(-(some * np.log(some)).sum() / np.log(len(shares))))
    rank = np.arange(1, len(shares) + 1)
    gini = float(((2 * rank - len(shares) - 1) * shares).sum() / len(shares))
    return {"entropy": round(entropy, DIGITS), "gini": round(gini, DIGITS)}


def manifest_rows(
    labels: Mapping[str, Label], folder: Path, plan: SamplingCurriculum
) -> list[dict[str, Any]]:
    """The kept faces as rows of a training manifest in `folder`: age, weight, when they join in."""
    kept = [(name, label) for name, label in labels.items() if label["keep"]]
    weights = plan.weights(
        [label["reliability"] for _, label in kept], [label["age_group"] for _, label in kept]
    )
    return [
        {
            "output": seen_from(folder, Path(label["source"])),
            "status": "done",
            "age": label["age"],
            "age_by": "mixture",
            "age_std": label["age_std"],
            "reliability": label["reliability"],
            "weight": round(float(weight), DIGITS),
            "joins_at": plan.joins_at(label["age_std"]),
        }
        for (_, label), weight in zip(kept, weights, strict=True)
    ]


def _group_row(
    name: str,
    place: int | None,
    members: Sequence[Label],
    known: Mapping[str, Label],
    experts: Sequence[str],
) -> dict[str, Any]:
    ages = np.array([label["age"] for label in members])
    labelled = [label for label in members if label.get("original_group") is not None]
    elsewhere = [
        label
        for label in known.values()
        if place is not None
        and label.get("original_group") == place
        and label["age_group"] != place
    ]
    moved = [label for label in labelled if label["original_group"] != label["age_group"]]
    row: dict[str, Any] = {
        "group": name,
        "n_total": len(members),
        "n_kept": sum(label["keep"] for label in members),
        "pct": _rounded(100 * len(members) / len(known)) if known else None,
        "mean_age": _mean(ages),
        "std_age": _rounded(float(ages.std())) if len(ages) else None,
        "mean_reliability": _mean([label["reliability"] for label in members]),
        "n_moved_in": len(moved) if labelled else None,
        "n_moved_out": (len(moved) if place is None else len(elsewhere)) if labelled else None,
        "agree_with_original": _rounded(1 - len(moved) / len(labelled)) if labelled else None,
        "mean_between_std": _mean([label["var_between"] ** 0.5 for label in members]),
        "male": _count_of("male", labelled),
        "female": _count_of("female", labelled),
    }
    for expert in experts:
        votes = [
            (label["experts"][expert]["age"], label["age"])
            for label in members
            if label["experts"].get(expert, {}).get("age") is not None
        ]
        gaps = np.array([vote - age for vote, age in votes])
        row |= {
            f"{expert}_coverage": _rounded(len(votes) / len(members)) if members else None,
            f"{expert}_bias": _mean(gaps),
            f"{expert}_mae": _mean(np.abs(gaps)),
        }
    return row


def _count_of(gender: str, labelled: Sequence[Label]) -> int | None:
    """Nothing where no table tells anybody's."""
    return sum(label.get("gender") == gender for label in labelled) if labelled else None


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _mean(numbers: Any) -> float | None:
    row = np.asarray(numbers, np.float64)
    return _rounded(float(row.mean())) if row.size else None


def _rounded(number: float) -> float:
    return round(number, DIGITS)
