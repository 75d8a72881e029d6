"""The results of `tm relabel` in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands._console import escape, say, warn

if TYPE_CHECKING:
    from engine.app.relabel import RelabelReport

SHOWN = 3
"""Pictures that are named before the rest is only counted."""
FEW_FACES = 100


def show_labels(result: "RelabelReport", out: Path, calibration: Path) -> None:
    """The metrics of a fit, the pictures without an age, the audit, and the counts."""
    if result.metrics is not None:
        _fit(result.metrics, calibration)
    unlabelled = [(name, label) for name, label in result.labels.items() if label.age is None]
    for name, label in unlabelled[:SHOWN]:
        say(f"  no age: {escape(name)} {escape(str(label.why_null))}")
    if len(unlabelled) > SHOWN:
        say(f"  and {len(unlabelled) - SHOWN} more without an age")
    _audit(result)
    say(
        f"[green]{result.labelled} ages[/] for {len(result.labels)} pictures, {result.kept} kept, "
        f"in `{escape(str(out))}`"
    )


def _fit(metrics: Any, file: Path) -> None:
    mixture = metrics["mixture"]
    say(
        f"on {mixture['faces']} held-out faces: mean absolute error {mixture['mae']:.2f} years, "
        f"within 5 years {mixture['cs5']:.0%}, ECE {mixture['ece']:.3f}"
    )
    for name, expert in metrics["experts"].items():
        if expert["mae"] is not None:
            corrected = f"{expert['mae_corrected']:.2f} corrected"
            say(f"  {name} alone: {expert['mae']:.2f} years, {corrected}")
    if mixture["faces"] < FEW_FACES:
        warn(f"metrics on {mixture['faces']} held-out faces are not reliable")
    say(f"the calibration is in `{escape(str(file))}`, its diagram beside it")


def _audit(result: "RelabelReport") -> None:
    """Labels that contradict their faces, the worst of them by name."""
    for flag in ("label_mismatch", "out_of_group"):
        if result.count(flag):
            say(f"[yellow]{result.count(flag)}[/] labels contradict their face ({flag})")
    wrong = [(n, one) for n, one in result.labels.items() if "label_mismatch" in one.flags]
    wrong.sort(key=lambda named: named[1].label_off_by or 0.0, reverse=True)
    for name, one in wrong[:SHOWN]:
        face = f"{one.age:.0f} +- {one.age_std:.0f}"
        say(f"  {escape(name)}: label {one.label:g}, estimate {face}")
    if result.labelled and result.count("no_label") == result.labelled:
        warn("the labels name none of the pictures: nothing was audited")
