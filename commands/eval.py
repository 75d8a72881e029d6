"""How good results are."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from commands._console import emit_json, emit_table, say, warn
from commands._options import AsJson, DryRun, OnDevice, Workers
from commands._progress import LiveProgress

HELP = "Judge results: identity, age, likeness to the truth; figures, and a page of pictures."
EXAMPLE = "tm eval aged/ --truth truth/ --gate 'identity>=0.6,age_mae<=6'"


def run(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|DIR...",
            help="A personal run, a folder of `tm infer`, a comparison; several side by side.",
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
    from engine.core.errors import UsageError
    from engine.recipe.evaluation import Request, gathered, told_device, told_minutes
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
    from engine.runtime.pool import cores
    from engine.scoring.evaluate import evaluate
    from engine.scoring.familiar import domain_of
    from engine.scoring.files import save_evaluation
    from engine.scoring.panel import Panel

    asked = gathered(request, compute, progress)
    processes = cores() if workers is None else workers
    domain = domain_of(asked.material.sources.values())
    panel = Panel(domain, compute.device, workers=processes)
    evaluation = evaluate(
        asked.material, panel, progress, subject=asked.subject, device=told_device(compute)
    )
    evaluation.report.update(told_minutes(asked))
    command = shlex.join(["tm", *sys.argv[1:]])
    save_evaluation(evaluation, place, command=command)
    if as_json:
        emit_json(evaluation.report)
    else:
        _show(evaluation.report)
    say(f"report in `{escape(str(place / 'report.html'))}`")
    check_gates(gates, evaluation.report)


def _forecast(kinds: dict[str, str], out: Path, as_json: bool) -> None:
    if as_json:
        emit_json({"dry_run": True, "judged": kinds, "out": str(out)})
    for folder, kind in kinds.items():
        say(f"would judge `{escape(folder)}`, {kind}")
    say(f"would write into `{escape(str(out))}`")


def _show(report: dict[str, Any]) -> None:
    from engine.scoring.words import FIGURES, apart, title, told

    ways = {way: report[way] for way in report["ways"]}
    ways |= {way: report[way] for way in ("copied",) if way in report} | report["controls"]
    emit_table(
        ("", *FIGURES.values(), "portraits"),
        [
            (title(way), *(told(name, figures[name]) for name in FIGURES), figures["portraits"])
            for way, figures in ways.items()
        ],
    )
    for row in report["paired"]:
        if row["better"] is not None and {row["one"], row["other"]} <= set(report["ways"]):
            worse = row["other"] if row["better"] == row["one"] else row["one"]
            amount = apart(row["figure"], abs(row["difference"]))
            said = f"{title(row['better'])} is better than {title(worse)}"
            say(f"{said} at {FIGURES[row['figure']]}, by {amount}")
    for name, reason in report[report["ways"][0]]["null"].items():
        if name in FIGURES:
            warn(f"no {FIGURES[name]}: {reason}")
