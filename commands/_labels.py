"""What `tm relabel` says of the labels it has made."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from commands._console import say, warn

if TYPE_CHECKING:
    from engine.relabel.run import RelabelReport

SHOWN = 3
"""Pictures that are named before the rest is only counted."""
FEW_CHECKED = 100


def tell_labels(done: "RelabelReport", out: Path) -> None:
    """The fit where there was one, what has no age, what contradicts its label, and the sum."""
    from engine.relabel.run import CALIBRATION, beside

    if done.figures is not None:
        _fit(done.figures, beside(out) / CALIBRATION)
    unlabelled = [(name, label) for name, label in done.labels.items() if label["age"] is None]
    for name, label in unlabelled[:SHOWN]:
        say(f"  no age: {escape(name)} {escape(str(label['why_null']))}")
    if len(unlabelled) > SHOWN:
        say(f"  and {len(unlabelled) - SHOWN} more without an age")
    _audit(done)
    say(
        f"[green]{done.labelled} ages[/] for {len(done.labels)} pictures, {done.kept} kept, "
        f"in `{escape(str(out))}`"
    )


def _fit(told: Any, file: Path) -> None:
    mixture = told["mixture"]
    say(
        f"on {mixture['faces']} faces the fit has not seen: mean error {mixture['mae']:.2f} "
        f"years, within 5 years {mixture['cs5']:.0%}, ECE {mixture['ece']:.3f}"
    )
    for name, one in told["experts"].items():
        if one["mae"] is not None:
            say(f"  {name} alone: {one['mae']:.2f} years, {one['mae_corrected']:.2f} corrected")
    if mixture["faces"] < FEW_CHECKED:
        warn(f"{mixture['faces']} faces are few: figures on them say little")
    say(f"the calibration is in `{escape(str(file))}`, its diagram beside it")


def _audit(done: "RelabelReport") -> None:
    """Which labels do not go with their faces, the worst of them by name."""
    for flag in ("label_mismatch", "out_of_group"):
        if done.count(flag):
            say(f"[yellow]{done.count(flag)}[/] labels do not go with their face ({flag})")
    wrong = [(name, one) for name, one in done.labels.items() if "label_mismatch" in one["flags"]]
    wrong.sort(key=lambda named: named[1]["label_off_by"], reverse=True)
    for name, one in wrong[:SHOWN]:
        face = f"{one['age']:.0f} +- {one['age_std']:.0f}"
        say(f"  {escape(name)}: the label says {one['label']:g}, the face {face}")
    if done.labelled and done.count("no_label") == done.labelled:
        warn("the labels name none of the pictures: nothing was audited")
