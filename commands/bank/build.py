"""Build a bank from faces with ages."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import detail, emit_json, escape, say, say_biometric, say_compute, warn
from commands._options import AsJson, DryRun, OnDevice, Strict
from commands._progress import LiveProgress

HELP = "Embed a folder of aligned faces and sort them by age; a rerun embeds what is new."
EXAMPLE = "tm bank build faces/ bank.safetensors --bin 5"
FROM_NOTHING = (
    "tm prep synth faces --people 200 --seed 450000 --ages 5..90 --per-person 18"
    " --size 128 && tm bank build faces bank.safetensors"
)
WRITES = SPREADS = True
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
        typer.Option(help="For pictures without an age: `nano-age`, `dex`, or a run or file."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 32,
    strict: Strict = False,
    device: OnDevice = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.bank import build, build_warnings, count_build
    from engine.app.compute import describe_compute

    if dry_run:
        faces = count_build(
            source,
            out,
            bin_size=bin_size,
            embedder=embedder,
            ages=ages,
            age_by=age_by,
            device=device,
        )
        if as_json:
            pictures = {"pictures": faces.pictures, "without_age": faces.without_age}
            emit_json({"dry_run": True, **pictures})
        embed = f"would embed {faces.pictures} pictures by `{escape(embedder)}`"
        say(f"{embed}, {faces.without_age} without an age")
        return
    say_compute(describe_compute(device))
    report = build(
        source,
        out,
        LiveProgress(),
        bin_size=bin_size,
        embedder=embedder,
        ages=ages,
        age_by=age_by,
        batch=batch,
        device=device,
    )
    bank, warnings = report.bank, build_warnings(source, report)
    counts = {"faces": len(bank), "fresh": report.fresh, "kept": report.kept}
    counts |= {"copies": report.copies, "left_out": len(report.left_out)}
    bins = bank.bin_counts()
    if as_json:
        network = {"embedder": bank.embedder, "digest": bank.digest, "bins": bins}
        extra = {"reasons": dict(report.reasons), "warnings": warnings}
        emit_json({"out": str(out), **counts, **network, **extra})
    before = f", {report.kept} of them embedded before" if report.kept else ""
    say(f"[green]{len(bank)} faces[/] in `{escape(str(out))}`, {len(bins)} bins{before}")
    say_biometric(out.parent)
    for reason, count in report.reasons.most_common():
        say(f"  {count} left out: {escape(reason)}")
    for text in warnings:
        warn(text)
    for name, reason in report.left_out:
        detail(f"  {escape(name)}: {escape(reason)}")
    if strict and report.left_out:
        raise typer.Exit(NOTHING_USABLE)
