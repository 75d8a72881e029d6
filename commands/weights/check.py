"""Whether the weights here are what they should be."""

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
    from engine.core.places import weights_folder
    from engine.weights.check import check_folder

    folder = weights_folder()
    findings = check_folder(folder, full=full, write=not dry_run, progress=LiveProgress())
    bad = [finding.path.name for finding in findings if finding.bad]
    if as_json:
        files = [
            {"path": str(one.path), "state": one.state, "sha256": one.sha256, "note": one.note}
            for one in findings
        ]
        emit_json({"folder": str(folder), "sound": not bad, "files": files})
    else:
        emit_table(
            ("file", "state", "note"),
            [(one.path.relative_to(folder), one.state, one.note) for one in findings],
        )
    if bad:
        raise WeightsError(
            f"{len(bad)} of {len(findings)} files are not what they should be: {', '.join(bad)}",
            hint="delete them and get them again; import anew what you changed yourself",
        )
