"""A progress bar fed by the engine; silent where stderr is no terminal."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from commands._console import Verbosity, err, warn


class LiveProgress:
    """An `engine.core.progress.Progress` on the terminal."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, task: str, total: int) -> None:
        if Verbosity.quiet or not err.is_terminal or not total:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}", markup=True),
            console=err,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(task, total=total, note="")

    def advance(self, note: str = "") -> None:
        if self._bar is not None and self._task is not None:
            # A bracket in a file name must not be read as markup.
            self._bar.update(self._task, advance=1, note=note.replace("[", "(").replace("]", ")"))

    def end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def remark(self, text: str) -> None:
        warn(text)
