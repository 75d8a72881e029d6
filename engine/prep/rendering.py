"""Rendered pictures with their truth in a folder: a rerun makes only what is not there yet."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from engine.core.ledger import Ledger
from engine.core.progress import Progress, reported
from engine.data.manifest import Row
from engine.runtime.pool import in_processes

WORTH_PROCESSES = 8
"""Pictures that are rendered before other processes would have started."""


class Plan(Protocol):
    """What is to be in a folder."""

    @property
    def out(self) -> Path:
        """The folder."""
        ...

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other pictures of the same names."""
        ...


class Wanted(Protocol):
    """A picture of a plan."""

    @property
    def output(self) -> str:
        """Its path in the folder."""
        ...


Picture = TypeVar("Picture", bound=Wanted)


def render_missing(
    wanted: Sequence[Picture],
    plan: Plan,
    work: Callable[[Picture], Row],
    ledger: Ledger,
    *,
    workers: int,
    progress: Progress,
) -> tuple[int, int]:
    """Render by `work` what the folder does not hold yet: how many are new and how many stood."""

    def stands(picture: Picture) -> bool:
        told = ledger.rows.get(Row(output=picture.output).key)
        known = told is not None and told["settings"] == plan.settings
        return known and (plan.out / picture.output).is_file()

    left = [picture for picture in wanted if not stands(picture)]
    workers = workers if len(left) > WORTH_PROCESSES else 1
    with reported(progress, "Rendering", len(left)):
        for outcome in in_processes(work, left, workers=workers):
            if outcome.result is None:
                raise MemoryError(f"the process rendering `{outcome.item.output}` died")
            ledger.add(outcome.result.dump())
            progress.advance(outcome.item.output)
    return len(left), len(wanted) - len(left)
