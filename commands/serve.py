"""A local page."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import escape, say

HELP = "Open a page in the browser: age photographs with a slider; nothing leaves this machine."
EXAMPLE = "tm serve --port 7860"


def run(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where it listens.")] = 7860,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Serve other machines, too: the page then asks for a token."
        ),
    ] = "127.0.0.1",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the results in `tm-serve/` at the end.")
    ] = False,
    runs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show the runs and reports of this folder.")
    ] = None,
) -> None:
    from engine.app.serve import Address, ServeRequest, serve

    def ready(address: Address) -> None:
        say(f"open {escape(address.url)} in a browser; Ctrl-C ends the page")

    try:
        serve(ServeRequest(port=port, host=host, keep=keep, runs=runs), ready)
    except KeyboardInterrupt:
        left = "its results are in `tm-serve/`" if keep else "nothing is left of it"
        say(f"the page is closed; {left}")
        raise
