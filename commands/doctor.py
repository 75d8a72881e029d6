"""What works on this machine."""

from commands._console import emit_json, emit_table, out
from commands._options import AsJson

HELP = "Check the machine: device, versions, detectors, weights, write access."
EXAMPLE = "tm doctor --json"

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fault": "[red]fault[/]"}


def run(as_json: AsJson = False) -> None:
    from engine.app.doctor import examine, verdict

    checks = examine()
    if as_json:
        emit_json({"works": verdict(checks), "checks": [check.told() for check in checks]})
    else:
        emit_table(("", "what", "found"), [(c.state, c.name, c.found) for c in checks])
        for check in checks:
            if check.hint:
                out.print(f"\n{MARKS[check.state]} {check.name}: {check.hint}")
    if not verdict(checks):
        import typer

        raise typer.Exit(1)
