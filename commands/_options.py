"""Options that several subcommands share."""

from typing import Annotated, Literal

import typer

Device = Literal["auto", "cpu", "cuda", "mps"]

MOST_WORKERS = 64
"""What may be asked for anywhere: workers need not be on this machine."""


def _can_be_shared(workers: int | None) -> int | None:
    if workers is not None:
        from engine.runtime.pool import require_cores

        require_cores(workers, at_least=MOST_WORKERS)
    return workers


AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel="Common")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", help="Print what would happen, change nothing.", rich_help_panel="Common"
    ),
]
OnDevice = Annotated[
    Device, typer.Option("--device", help="Where to compute.", rich_help_panel="Common")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one recipe key; the value is TOML. May be repeated.",
        rich_help_panel="Common",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes to use.", show_default="one per core", callback=_can_be_shared
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes on each machine that share the batch.",
        show_default="1, those of before, or as torchrun or SLURM started them",
    ),
]
Nodes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Machines that share the batch; the command is started on each of them.",
        show_default="1, or as torchrun or SLURM say",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="Work on the machines of this Ray cluster, which share the folders.",
        show_default="this machine",
        rich_help_panel="Common",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit 3 if any picture was skipped or failed.")
]
Landmarks = Annotated[
    str | None,
    typer.Option(
        metavar="mesh|FILE",
        help="The 68 points: by the face mesh, by another model, or from a table.",
        show_default="by dlib",
    ),
]
IncludeSynthetic = Annotated[
    bool,
    typer.Option("--include-synthetic", help="Also take what tm aged, enhanced or generated."),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace files that tm did not make; never an input.",
        rich_help_panel="Common",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Common")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print more.", rich_help_panel="Common")
]
