"""A part of the plane of valence and arousal, by limits such as `arousal > 0.6`."""

import operator
import re
from dataclasses import dataclass
from typing import Self

import numpy as np

AXES = ("valence", "arousal")
SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
LIMIT = re.compile(r"(valence|arousal)\s*(>=|<=|>|<)\s*(\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class VaRange:
    """Limits that all hold: axis (0 valence, 1 arousal), sign and value.

    >>> va = np.array([[0.4, 0.7], [0.5, 0.7], [0.4, 0.6]])
    >>> VaRange.parse("valence<=.4 and arousal > 0.6").rows(va)
    array([0])
    """

    limits: tuple[tuple[int, str, float], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read limits on `valence` and `arousal` in 0..1, joined by `and`; ValueError if faulty."""
        limits: list[tuple[int, str, float]] = []
        for part in text.split(" and "):
            match = LIMIT.fullmatch(part.strip())
            if match is None:
                raise ValueError(f"`{part.strip()}` is no limit; write it as `arousal > 0.6`")
            limits.append((AXES.index(match[1]), match[2], float(match[3])))
        return cls(tuple(limits))

    def rows(self, va: np.ndarray) -> np.ndarray:
        """The rows of values (n, 2) within all limits, compared as float32, as ratings are kept."""
        within = np.ones(len(va), bool)
        for axis, sign, limit in self.limits:
            within &= SIGNS[sign](va[:, axis].astype(np.float32), np.float32(limit))
        return np.flatnonzero(within)
