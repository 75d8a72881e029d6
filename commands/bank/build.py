"""Faces with ages to a bank."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import detail, emit_json, say
from commands._options import AsJson, DryRun, OnDevice, Strict
from commands._progress import LiveProgress

HELP = "Embed a folder of aligned faces and sort them by age; a rerun embeds what is new."
EXAMPLE = "tm bank build faces/ bank.safetensors --bin 5"
NOTHING_USABLE = 3


def run(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder of aligned faces.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The bank, ending .safetensors.")],
    bin_size: Annotated[int, typer.Option("--bin", min=1, max=50, help="Years in a bin.")] = 5,
    embedder: Annotated[
        str, typer.Option(help="`nano-identity`, `ir-se50`, or a run or weights file of one.")
    ] = "nano-identity",
    ages: Annotated[
        Path | None, typer.Option(help="CSV with the columns `path` and `age`.")
    ] = None,
    age_by: Annotated[
        str | None,
        typer.Option(help="Where nothing tells the age: `nano-age`, `dex`, or a run or file."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 32,
    strict: Strict = False,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.banks.build import BankPlan, build_bank, rehearsed
    from engine.data.ages import AgeSource, read_age_csv
    from engine.nets.named import load_age_estimator, load_identity_network
    from engine.runtime.device import choose

    listed = AgeSource(read_age_csv(ages)) if ages is not None else AgeSource()
    plan = BankPlan(source, out, bin_size, listed, batch)
    if dry_run:
        count, unknown = rehearsed(plan)
        if as_json:
            emit_json({"dry_run": True, "pictures": count, "without_age": unknown})
        say(f"would embed {count} pictures by `{escape(embedder)}`, {unknown} without an age")
        return
    compute = choose(device)
    reader = load_age_estimator(age_by, compute.device) if age_by is not None else None
    identity_net = load_identity_network(embedder, compute.device)
    report = build_bank(plan, identity_net, LiveProgress(), device=compute.device, reader=reader)
    bank = report.bank
    counts = {"faces": len(bank), "fresh": report.fresh, "kept": report.kept}
    counts |= {"copies": report.copies, "left_out": len(report.left_out)}
    bins = {name: len(rows) for name, rows in bank.bins().items()}
    if as_json:
        told = {"embedder": bank.embedder, "digest": bank.digest, "bins": bins}
        emit_json({"out": str(out), **counts, **told, "reasons": dict(report.reasons)})
    before = f", {report.kept} of them embedded before" if report.kept else ""
    say(f"[green]{len(bank)} faces[/] in `{escape(str(out))}`, {len(bins)} bins{before}")
    for reason, count in report.reasons.most_common():
        say(f"  {count} left out: {escape(reason)}")
    for name, reason in report.left_out:
        detail(f"  {escape(name)}: {escape(reason)}")
    if strict and report.left_out:
        raise typer.Exit(NOTHING_USABLE)
