"""Gates: limits on figures, for scripts that continue only if all hold."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.core.errors import TmError, UsageError

SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
FIGURES = (
    *("portraits", "identity", "perceptual", "age_mae", "age_bias", "age_gap", "sharpness"),
    *("age_identity_accuracy", "bin_accuracy", "verification_rate", "monotonicity"),
    *("identity_to_photos", "identity_to_photo", "impostor_distance", "gender_kept"),
    *("perceptual_to_photo", "identity_trend"),
)
"""Numbers in a report of portraits, beside those ` by ` one evaluator."""
FORM = re.compile(r"\s*([\w .-]+?)\s*(>=|<=|>|<)\s*(-?(?:\d+\.?\d*|\.\d+))\s*")


class GateError(TmError):
    """A figure is outside its limit; the message lists all such figures."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit: `identity >= 0.6`, or `personal.identity >= 0.6` of one of several methods."""

    figure: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure}{self.sign}{self.limit:g}"


def parse_gates(text: str) -> tuple[Gate, ...]:
    """Read limits such as `identity>=0.6,age_mae<=6`.

    >>> [str(gate) for gate in parse_gates("identity>=0.6, prior.age_mae < 6")]
    ['identity>=0.6', 'prior.age_mae<6']
    >>> parse_gates("identity>=.6")[0].limit
    0.6
    """
    gates: list[Gate] = []
    for part in text.split(","):
        match = FORM.fullmatch(part)
        if match is None:
            raise UsageError(
                f"`{part.strip()}` is no limit", hint="write it as `identity>=0.6,age_mae<=6`"
            )
        gates.append(Gate(match[1], match[2], float(match[3])))
    return tuple(gates)


def require_figures(gates: tuple[Gate, ...]) -> None:
    """UsageError, before an evaluation, for a gate on what no report of portraits has."""
    for gate in gates:
        name = gate.figure.rpartition(".")[2]
        if name not in FIGURES and " by " not in name:
            hint = f"known: {', '.join(FIGURES)}"
            raise UsageError(f"there is no figure `{name}`", hint=hint)


def check_gates(gates: tuple[Gate, ...], report: Mapping[str, Any]) -> None:
    """GateError lists every figure that is outside its limit, or was not measured."""
    failed: list[str] = []
    for gate in gates:
        method, name = _place(gate.figure, report)
        value = report[method][name]
        if value is None:
            why = report[method]["null"].get(name, "not measured")
            failed.append(f"{gate}: {method} has no such figure, {why}")
        elif not SIGNS[gate.sign](value, gate.limit):
            failed.append(f"{gate}: {method} has {value:.4g}")
    if failed:
        raise GateError("\n".join(["the gate failed", *(f"  {line}" for line in failed)]))


def _place(figure: str, report: Mapping[str, Any]) -> tuple[str, str]:
    """Method and name of a figure; the report's subject where the gate names no method."""
    head, _, tail = figure.partition(".")
    if tail and head in report["methods"]:
        method, name = head, tail
    elif report["subject"] is not None:
        method, name = report["subject"], figure
    else:
        methods = ", ".join(report["methods"])
        raise UsageError(
            f"`{figure}` of which method?", hint=f"name one of {methods}: `personal.{figure}>=0.6`"
        )
    value = report[method].get(name, "")
    if not isinstance(value, float | int | None):
        known = [key for key, one in report[method].items() if isinstance(one, float | int)]
        raise UsageError(f"there is no figure `{name}`", hint=f"known: {', '.join(known)}")
    return method, name
