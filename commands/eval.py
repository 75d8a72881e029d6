"""How good results are."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun, OnDevice, Workers
from commands._progress import LiveProgress
from commands._verdicts import show_landscapes, show_portraits

if TYPE_CHECKING:
    from engine.app.evaluation import Request
    from engine.runtime.device import Compute

HELP = "Judge portraits or landscapes: figures with limits, and a page of pictures."
EXAMPLE = "tm eval aged/ --truth truth/ --gate 'identity>=0.6,age_mae<=6'"


def run(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|DIR",
            help="A run, a folder of `tm infer`, a comparison; several side by side.",
        ),
    ],
    against: Annotated[
        Path | None, typer.Option(help="Another such folder, or photos of the person.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="The very photographs at other ages: DIR or manifest.")
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
    from engine.app.evaluation import Request
    from engine.core.errors import UsageError
    from engine.runtime.device import choose
    from engine.scoring.gate import check_gates, parse_gates

    gates = parse_gates(gate) if gate is not None else ()
    compute, progress = choose(device), LiveProgress()
    request = Request(tuple(folders), against, truth)
    place = out if out is not None else folders[0]
    if place.exists() and not place.is_dir():
        raise UsageError(f"`{place}` is a file, and the report needs a folder")
    if dry_run:
        _forecast(request.kinds(), place, as_json)
        return
    runs = request.landscapes()
    report = (
        _portraits(request, compute, place, progress, workers)
        if runs is None
        else _landscapes(runs, compute, place, progress)
    )
    if as_json:
        emit_json(report)
    elif runs is None:
        show_portraits(report)
    else:
        show_landscapes(report)
    say(f"report in `{escape(str(place / 'report.html'))}`")
    check_gates(gates, report)


def _portraits(
    request: "Request",
    compute: "Compute",
    place: Path,
    progress: LiveProgress,
    workers: int | None,
) -> dict[str, Any]:
    from engine.app.evaluation import gathered, told_device, told_minutes
    from engine.evaluators.suite import Panel
    from engine.runtime.pool import cores
    from engine.scoring.domain import domain_of
    from engine.scoring.evaluate import evaluate
    from engine.scoring.files import save_evaluation

    asked = gathered(request, compute, progress)
    processes = cores() if workers is None else workers
    domain = domain_of(asked.material.sources.values())
    panel = Panel(domain, compute.device, workers=processes)
    evaluation = evaluate(
        asked.material, panel, progress, subject=asked.subject, device=told_device(compute)
    )
    evaluation.report.update(told_minutes(asked))
    save_evaluation(evaluation, place, command=_command())
    return evaluation.report


def _landscapes(
    runs: list[Path], compute: "Compute", place: Path, progress: LiveProgress
) -> dict[str, Any]:
    from engine.landscapes.evaluation.runs import evaluate_landscape_runs

    return evaluate_landscape_runs(runs, place, compute.device, progress, command=_command())


def _command() -> str:
    return shlex.join(["tm", *sys.argv[1:]])


def _forecast(kinds: dict[str, str], out: Path, as_json: bool) -> None:
    if as_json:
        emit_json({"dry_run": True, "judged": kinds, "out": str(out)})
    for folder, kind in kinds.items():
        say(f"would judge `{escape(folder)}`, {kind}")
    say(f"would write into `{escape(str(out))}`")
