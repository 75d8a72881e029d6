"""`tm doctor`."""

from dataclasses import asdict

import typer

from commands._console import emit_json, emit_table, out
from commands._options import AsJson

HELP = "Check the machine: device, versions, detectors, weights, write access."
EXAMPLE = "tm doctor --json"

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[red]fault[/]"}


def run(as_json: AsJson = False) -> None:
    from engine.app.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        checks = [asdict(check) for check in diagnosis.checks]
        emit_json({"works": diagnosis.works, "checks": checks})
    else:
        rows = [(check.state, check.name, check.result) for check in diagnosis.checks]
        emit_table(("", "check", "result"), rows)
        for check in diagnosis.checks:
            if check.hint:
                out.print(f"\n{MARKS[check.state]} {check.name}: {check.hint}")
    if not diagnosis.works:
        raise typer.Exit(1)
