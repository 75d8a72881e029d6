"""Limits that figures must keep, for scripts that go on only if they do."""

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
FORM = re.compile(r"\s*([\w .-]+?)\s*(>=|<=|>|<)\s*(-?(?:\d+\.?\d*|\.\d+))\s*")


class GateError(TmError):
    """A figure is outside its limit; the message tells all of those."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit: `identity >= 0.6`, or `personal.identity >= 0.6` where several ways stand."""

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
        found = FORM.fullmatch(part)
        if found is None:
            raise UsageError(
                f"`{part.strip()}` is no limit", hint="write it as `identity>=0.6,age_mae<=6`"
            )
        gates.append(Gate(found[1], found[2], float(found[3])))
    return tuple(gates)


def check_gates(gates: tuple[Gate, ...], report: Mapping[str, Any]) -> None:
    """GateError tells every figure that is outside its limit, or that could not be measured."""
    failed: list[str] = []
    for gate in gates:
        way, name = _place(gate.figure, report)
        value = report[way][name]
        if value is None:
            why = report[way]["null"].get(name, "not measured")
            failed.append(f"{gate}: {way} has no such figure, {why}")
        elif not SIGNS[gate.sign](value, gate.limit):
            failed.append(f"{gate}: {way} has {value:.4g}")
    if failed:
        raise GateError("\n".join(["the gate is shut", *(f"  {line}" for line in failed)]))


def _place(figure: str, report: Mapping[str, Any]) -> tuple[str, str]:
    """The way and the name of a figure; without a way, that of the only one, or of the first."""
    head, _, tail = figure.partition(".")
    if tail and head in report["ways"]:
        way, name = head, tail
    elif report["subject"] is not None:
        way, name = report["subject"], figure
    else:
        ways = ", ".join(report["ways"])
        raise UsageError(
            f"`{figure}` of which way?", hint=f"name one of {ways}: `personal.{figure}>=0.6`"
        )
    value = report[way].get(name, "")
    if not isinstance(value, float | int | None):
        known = [key for key, told in report[way].items() if isinstance(told, float | int)]
        raise UsageError(f"there is no figure `{name}`", hint=f"known: {', '.join(known)}")
    return way, name
