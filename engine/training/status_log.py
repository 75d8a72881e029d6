"""`checkpoints/timestamp.txt`: a readable line for every validation and every save."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO

from engine.core.atomic import disk_error, write_text
from engine.core.regular import read_text

TIMESTAMP = "timestamp.txt"
STEP = re.compile(r"step=(\d+) ")
LOSS, VALIDATION, RATE, REAL, CYCLE = "loss/", "val/", "lr/", "real/", "cycle/"


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One line.

    averaged: whether the weights that are validated and saved as best are averaged ones; metrics:
    of the last row of the journal; best: metric, value and step; groups: what the task adds, by
    name.
    """

    step: int
    phase: str
    validated: bool
    saved: bool
    averaged: bool
    metrics: Mapping[str, float]
    best: tuple[str, float, int] | None
    plateau: bool | None
    groups: Mapping[str, str]

    def __str__(self) -> str:
        """The line: words, then `name=value` in groups between bars."""
        done = [name for name in ("validated", "saved") if getattr(self, name)]
        parts = [f"step={self.step} {self.phase} {' '.join(done)} used_ema={self.averaged:d}"]
        parts += _group("loss", self._losses())
        parts += _group("val", self._named(VALIDATION)) if self.validated else []
        parts += _group("lr", self._named(RATE))
        parts += [f"{name} {text}" for name, text in self.groups.items()]
        if self.best is not None:
            metric, value, step = self.best
            parts.append(f"best {metric}={value:.4g} at={step}")
        if self.plateau is not None:
            parts.append(f"plateau={self.plateau:d}")
        return " | ".join(parts)

    def _losses(self) -> dict[str, float]:
        """The totals and the terms, without their details and those of the cycle."""
        terms = self._named(LOSS)
        return {
            name.removeprefix(REAL): value
            for name, value in terms.items()
            if not name.startswith(CYCLE)
            # A GAN names its terms by network: `generator/adversarial` is none of a detail.
            and (not name.startswith(REAL) or name.removeprefix(REAL).count("/") == 0)
            and name.rpartition("/")[0] not in terms
        }

    def _named(self, prefix: str) -> dict[str, float]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.metrics.items()
            if name.startswith(prefix)
        }


class StatusLog:
    """The file of a run, opened to continue after a step; later lines are cut off.

    opening: the first line of a new file, on the run as a whole.
    """

    def __init__(self, folder: Path, *, after: int, opening: str = "") -> None:
        self._path = folder / TIMESTAMP
        lines = read_text(self._path).splitlines(True) if self._path.exists() else []
        kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= after]
        if opening and not kept:
            kept = [f"{opening}\n"]
        if len(kept) < len(lines) or not self._path.exists():
            write_text(self._path, "".join(kept))
        self._file: IO[str] = self._path.open("a", encoding="utf-8")

    def write(self, entry: StatusEntry) -> None:
        """Add a line; DiskError when the disk is full."""
        try:
            self._file.write(f"{entry}\n")
            self._file.flush()
        except OSError as error:
            raise disk_error(error, self._path) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Metrics in a line, four digits each, without those that could not be measured.

    >>> format_metrics({"identity": 0.31459, "age_error": float("nan")})
    'identity=0.3146'
    """
    return " ".join(f"{name}={value:.4g}" for name, value in metrics.items() if isfinite(value))


def _group(name: str, metrics: Mapping[str, float]) -> list[str]:
    text = format_metrics(metrics)
    return [f"{name} {text}"] if text else []


def _step_of(line: str) -> int:
    match = STEP.match(line)
    return int(match[1]) if match is not None else 0  # lines that a user added stay
