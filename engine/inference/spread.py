"""A folder of photos over processes, each with the models of the package loaded for itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from engine.core.batch import PROCESS_DIED
from engine.core.errors import PictureError
from engine.core.ledger import Row
from engine.core.progress import Progress, Silence
from engine.inference.folder import Method, Photo, fault_of, rows_of
from engine.inference.models import Models
from engine.inference.plan import InferPlan
from engine.inference.recipe import InferRecipe
from engine.runtime.device import Compute
from engine.runtime.pool import PICTURE_LIMIT, in_processes, is_elsewhere

WORTH_PROCESS = 12
"""Photos for which starting one more process is worth its seconds."""


@dataclass(frozen=True, slots=True)
class Once:
    """A `Progress` that passes each remark on once, whichever process makes it."""

    inner: Progress
    _said: set[str] = field(default_factory=set[str])

    def begin(self, task: str, total: int) -> None:
        self.inner.begin(task, total)

    def advance(self, note: str = "") -> None:
        self.inner.advance(note)

    def end(self) -> None:
        self.inner.end()

    def remark(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.inner.remark(text)


class _Work(NamedTuple):
    """What a process needs to make the method of a request."""

    asked: str | None
    recipe: InferRecipe
    compute: Compute
    plan: InferPlan
    strength: float


class _Aged(NamedTuple):
    """The rows of a photo, and what its process said so far."""

    rows: list[Row]
    remarks: list[str]
    lines: list[str]


class _Remarks(Silence):
    """Keeps remarks for the process that asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def remark(self, text: str) -> None:
        self.texts.append(text)


def processes_for(photos: int, workers: int, models: Models) -> int:
    """How many processes age so many photos; 1 for this one alone.

    Only the small models of the package are loaded more than once on this machine.
    """
    if is_elsewhere():
        return max(photos, 2)
    if not models.small or models.compute.device.type != "cpu":
        return 1
    return max(min(workers, photos // WORTH_PROCESS), 1)


def spread_over(
    processes: int, models: Models, plan: InferPlan, strength: float, progress: Progress
) -> "partial[Iterator[tuple[Photo, list[Row]]]]":
    """What ages photos in processes; the lines of `models` grow as it says which are used."""
    work = _Work(models.asked, models.recipe, models.compute, plan, strength)
    return partial(_spread, processes=processes, work=work, models=models, progress=progress)


def _spread(
    photos: Iterable[Photo], *, processes: int, work: _Work, models: Models, progress: Progress
) -> Iterator[tuple[Photo, list[Row]]]:
    age = partial(_age, work=work)
    for outcome in in_processes(age, photos, workers=processes, limit=PICTURE_LIMIT):
        aged = outcome.result
        if aged is None:
            yield outcome.item, [fault_of(PictureError(PROCESS_DIED))]
            continue
        for text in aged.remarks:
            progress.remark(text)
        models.lines += [line for line in aged.lines if line not in models.lines]
        yield outcome.item, aged.rows


def _age(photo: Photo, *, work: _Work) -> _Aged:
    """Age one photo, in a process with models of its own."""
    method, models, remarks = _made(work)
    rows = rows_of(photo, work.plan, method)
    texts, remarks.texts = remarks.texts, []
    return _Aged(rows, texts, models.lines)


_methods: dict[str, tuple[Method, Models, _Remarks]] = {}


def _made(work: _Work) -> tuple[Method, Models, _Remarks]:
    """The method of this process; every photo carries a copy of the work, so the key is a digest.

    The models see the strength in the plan's digest, and the weights and the recipe in its stamp.
    """
    key = work.plan.digest
    if key not in _methods:
        remarks = _Remarks()
        models = Models.of(work.asked, work.recipe, work.compute, remarks)
        _methods[key] = models.method(work.plan, work.strength), models, remarks
    return _methods[key]
