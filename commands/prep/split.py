"""Train and test."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, say
from commands._options import AsJson, DryRun

HELP = "Split a prepared folder into train and test: by content, stratified by age band."
EXAMPLE = "tm prep split aligned/ --test 0.1"


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A prepared folder.")],
    test: Annotated[float, typer.Option(help="Share of the pictures to test with.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.prep import split_folder

    rows = split_folder(folder, test=test, seed=seed, write=not dry_run)
    sides = Counter(row.split for row in rows)
    counts = {"train": sides["train"], "test": sides["test"], "unused": sides[None]}
    if as_json:
        emit_json({"folder": str(folder), "dry_run": dry_run, **counts})
    would = "would be " if dry_run else ""
    left = f", {counts['unused']} unused" if counts["unused"] else ""
    say(f"{would}{counts['train']} to train on, {counts['test']} to test with{left}")
