"""Without biometric data."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun

HELP = "Remove what identifies the faces of a folder; photographs and labels stay."
EXAMPLE = "tm prep forget aligned/ --dry-run"


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder, and all below it.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.prep import forget

    gone = forget(folder, write=not dry_run)
    if as_json:
        descriptors = {str(path): count for path, count in gone.descriptors.items()}
        removed = [str(path) for path in gone.removed]
        emit_json({"dry_run": dry_run, "descriptors": descriptors, "removed": removed})
    would = "would be " if dry_run else ""
    for path, count in gone.descriptors.items():
        say(f"descriptors and landmarks of {count} faces {would}removed from `{escape(str(path))}`")
    for path in gone.removed:
        say(f"`{escape(str(path))}` {would}deleted")
    if gone.nothing:
        say(f"there is no biometric data in `{escape(str(folder))}`")
