"""Rendered pictures with their truth in a folder; a rerun renders only the missing ones."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from engine.core.batch import Finished, run_batch
from engine.core.errors import UsageError
from engine.core.held import HeldFolder
from engine.core.ledger import Ledger
from engine.core.progress import Progress
from engine.data.manifest import Row
from engine.images.reading import find_pictures
from engine.runtime.pool import in_processes

MOST = 1_000_000
WORTH_PROCESSES = 8
"""Pictures up to which starting other processes takes longer than rendering."""


class Plan(Protocol):
    """The pictures of a folder."""

    @property
    def out(self) -> Path:
        """The folder."""
        ...

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other pictures of the same names."""
        ...


class Rendering(Protocol):
    """A picture of a plan."""

    @property
    def output(self) -> str:
        """Its path in the folder."""
        ...


Picture = TypeVar("Picture", bound=Rendering)


def require_reasonable(many: int, each: int) -> None:
    """UsageError unless there is at least one picture of each, and not more than any disk holds."""
    if many < 1 or each < 1:
        raise UsageError("at least one person or scene and one picture of each are needed")
    if many * each > MOST:
        raise UsageError(
            f"{many * each:,} pictures are more than {MOST:,}",
            hint="ask for fewer, or for several folders by other seeds",
        )


def require_own_pictures(out: Path, held: HeldFolder, *names: str) -> None:
    """UsageError for a folder with pictures that were not rendered into it, or other `names`."""
    held.require_own(*names)
    for path in find_pictures(out).pictures if out.is_dir() else ():
        if not held.overwrite and not held.owns(path.relative_to(out).as_posix()):
            raise UsageError(
                f"`{out}` holds other pictures, such as `{path}`",
                hint="name an empty folder, so that drawn and real people are not mixed",
            )


def render_missing(
    pictures: Sequence[Picture],
    plan: Plan,
    render: Callable[[Picture], Row],
    ledger: Ledger,
    *,
    workers: int,
    progress: Progress,
) -> tuple[int, int]:
    """Render the pictures that the folder does not hold under the plan's settings.

    Returns how many are new, and how many an earlier run has rendered. MemoryError if a process
    dies.
    """

    def is_finished(picture: Picture, rows: Sequence[dict[str, Any]]) -> bool:
        current = any(row.get("settings") == plan.settings for row in rows)
        return current and (plan.out / picture.output).is_file()

    def work(missing: Sequence[Picture]) -> Iterator[Finished[Picture]]:
        processes = workers if len(missing) > WORTH_PROCESSES else 1
        for outcome in in_processes(render, missing, workers=processes):
            if outcome.result is None:
                raise MemoryError(f"the process rendering `{outcome.item.output}` died")
            yield outcome.item, [outcome.result.dump()]

    report = run_batch(
        pictures,
        ledger,
        name=lambda picture: picture.output,
        is_finished=is_finished,
        work=work,
        task="Rendering",
        progress=progress,
        column="output",
    )
    return report.count("done"), report.kept
