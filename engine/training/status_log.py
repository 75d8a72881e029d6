"""`checkpoints/timestamp.txt`: one line for people at every validation and every save."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO

from engine.core.atomic import disk_error, write_text

TIMESTAMP = "timestamp.txt"
STEP = re.compile(r"step=(\d+) ")
TERM, CHECK, PASS_BACK = "loss/", "val/", "cycle/"


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Where a run stands, with all that a line says of it.

    averaged: whether the weights that are validated and saved as best are the averaged ones;
    figures: of the last row of the journal; best: metric, value and step; told: what the task adds,
    by name.
    """

    step: int
    phase: str
    validated: bool
    saved: bool
    averaged: bool
    figures: Mapping[str, float]
    best: tuple[str, float, int] | None
    plateau: bool | None
    told: Mapping[str, str]

    def __str__(self) -> str:
        """The line: words, then `name=value` in groups between bars."""
        done = [name for name in ("validated", "saved") if getattr(self, name)]
        groups = [f"step={self.step} {self.phase} {' '.join(done)} used_ema={self.averaged:d}"]
        groups += _group("loss", self._losses())
        groups += _group("val", self._named(CHECK)) if self.validated else []
        groups += [f"{name} {text}" for name, text in self.told.items()]
        if self.best is not None:
            metric, value, step = self.best
            groups.append(f"best {metric}={value:.4g} at={step}")
        if self.plateau is not None:
            groups.append(f"plateau={self.plateau:d}")
        return " | ".join(groups)

    def _losses(self) -> dict[str, float]:
        """Totals, and the terms of the way there: what is told of a term, and the way back, not."""
        terms = self._named(TERM)
        return {
            name.removeprefix("real/"): value
            for name, value in terms.items()
            if not name.startswith(PASS_BACK) and name.removeprefix("real/").count("/") == 0
        }

    def _named(self, prefix: str) -> dict[str, float]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.figures.items()
            if name.startswith(prefix)
        }


class StatusLog:
    """The file of a run, opened to go on after a step; later lines will be lived through again."""

    def __init__(self, folder: Path, *, after: int) -> None:
        self._path = folder / TIMESTAMP
        lines = self._path.read_text("utf-8").splitlines(True) if self._path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= after]
        if len(kept) < len(lines) or not self._path.exists():
            write_text(self._path, "".join(kept))
        self._file: IO[str] = self._path.open("a", encoding="utf-8")

    def write(self, note: StatusEntry) -> None:
        """Add a line; DiskError when the disk is full."""
        try:
            self._file.write(f"{note}\n")
            self._file.flush()
        except OSError as error:
            raise disk_error(error, self._path) from error

    def close(self) -> None:
        """No more lines will come."""
        self._file.close()


def told_of(figures: Mapping[str, float]) -> str:
    """Figures in a line, four digits each, those left out that could not be measured.

    >>> told_of({"identity": 0.31459, "age_error": float("nan")})
    'identity=0.3146'
    """
    return " ".join(f"{name}={value:.4g}" for name, value in figures.items() if isfinite(value))


def _group(name: str, figures: Mapping[str, float]) -> list[str]:
    told = told_of(figures)
    return [f"{name} {told}"] if told else []


def _step_of(line: str) -> int:
    found = STEP.match(line)
    return int(found[1]) if found is not None else 0  # somebody's own line stays
