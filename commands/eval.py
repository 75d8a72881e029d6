"""How good results are."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands._console import emit_json, escape, say, say_compute
from commands._options import AsJson, DryRun, OnDevice, Workers
from commands._progress import LiveProgress
from commands._reports import show_report

HELP = "Evaluate portraits or landscapes: figures with intervals, and a page of pictures."
WRITES = True
EXAMPLE = "tm eval aged/ --truth truth/ --gate 'identity>=0.6,age_mae<=6'"


def run(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|DIR",
            help="A run, a folder of `tm infer`, a comparison, photographs; several side by side.",
        ),
    ],
    against: Annotated[
        Path | None, typer.Option(help="Another such folder, or photos of the person.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="The true photographs at other ages: DIR or manifest.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Who photographs show: path, person, sex, age."),
    ] = None,
    leave_out: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Photographs without which a `photo/personal` run is repeated and tested.",
            show_default="those it held out",
        ),
    ] = None,
    gate: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Limits; exit 6 if a figure breaks one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the report goes.", show_default="the first folder")
    ] = None,
    workers: Workers = None,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_compute
    from engine.app.eval import EvalRequest, check, evaluate

    request = EvalRequest(
        folders=folders,
        against=against,
        truth=truth,
        labels=labels,
        leave_out=leave_out,
        gate=gate,
        out=out,
        workers=workers,
        device=device,
        command=shlex.join(["tm", *sys.argv[1:]]),
    )
    if dry_run:
        _preview(request.preview(), as_json=as_json)
        return
    say_compute(describe_compute(device))
    report = evaluate(request, LiveProgress())
    if as_json:
        emit_json(report)
    else:
        show_report(report)
    say(f"report in `{escape(str(request.folder / 'report.html'))}`")
    check(request, report)


def _preview(preview: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json({"dry_run": True, **preview})
    for folder, kind in preview["evaluated"].items():
        say(f"would evaluate `{escape(folder)}`, {kind}")
    say(f"would write into `{escape(preview['out'])}`")
