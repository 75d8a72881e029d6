"""`tm weights check`."""

from dataclasses import asdict
from typing import Annotated

import typer

from commands._console import emit_json, emit_table
from commands._options import AsJson, DryRun
from commands._progress import LiveProgress
from engine.core.errors import WeightsError

HELP = "Check all files of the weights folder: published digest, and unchanged since first seen."
EXAMPLE = "tm weights check --full"


def run(
    full: Annotated[
        bool, typer.Option("--full", help="Read every file again, also those not touched since.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.weights import check_weights

    check = check_weights(full=full, write=not dry_run, progress=LiveProgress())
    bad = [file.path.name for file in check.bad]
    if as_json:
        files = [asdict(file) for file in check.files]
        emit_json({"folder": str(check.folder), "sound": not bad, "files": files})
    else:
        emit_table(
            ("file", "state", "note"),
            [(file.path.relative_to(check.folder), file.state, file.note) for file in check.files],
        )
    if bad:
        raise WeightsError(
            f"{len(bad)} of {len(check.files)} files are not what they should be: {', '.join(bad)}",
            hint="delete them and get them again; import anew what you changed yourself",
        )
