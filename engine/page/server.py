"""The server of the page: Gradio behind the gate, on one socket."""

import os
import secrets
import socket
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from engine.core.errors import UsageError
from engine.page.gate import Gate
from engine.page.sessions import Sessions
from engine.page.verbs import Verbs

EXTRA = "ui"
KEPT = "tm-serve"
MOST_WAITING = 64
"""Events that wait in one queue; further ones hear that it is full."""
GRACE = 2
"""Seconds that open connections get at the end."""
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""So that nothing asks another host."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is: what a browser opens, and the token in it unless only this machine is
    served.
    """

    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        """The address to open."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        shown = f"[{host}]" if ":" in host else host
        query = "" if self.token is None else f"?token={self.token}"
        return f"http://{shown}:{self.port}/{query}"


def serve_page(
    verbs: Verbs,
    runs: Path | None,
    host: str,
    port: int,
    *,
    keep: Path | None,
    ready: Callable[[Address], None],
) -> None:
    """Serve until the process is interrupted; every upload and result is removed at the end.

    runs: a folder of runs to show; keep: a folder that keeps the results. Raises UsageError for an
    address that cannot be used, or without Gradio.
    """
    with listening(host, port) as listener:
        address = Address(
            host,
            listener.getsockname()[1],
            None if is_loopback(host) else secrets.token_urlsafe(24),
        )
        root = Path(tempfile.mkdtemp(prefix="tm-serve-")) if keep is None else _kept(keep)
        os.environ.update(QUIET, GRADIO_TEMP_DIR=str(root))
        sessions = Sessions(root)
        try:
            server = _server(Gate(_application(verbs, runs), sessions, address.port, address.token))
            ready(address)
            server.run(sockets=[listener])
        finally:
            sessions.close(keep=keep is not None)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; UsageError for a port in use, or an address of another machine."""
    try:
        family, kind, proto, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except (OSError, UnicodeError):
        raise UsageError(
            f"`{host}` is no address of this machine",
            hint="leave `--host` out for this machine only",
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} of `{host}` cannot be used: {error.strerror}",
            hint="another `tm serve` may run there: open it, or name another one with `--port`",
        ) from None
    return listener


def _kept(keep: Path) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="page-", dir=keep.resolve()))


def _server(gate: Gate) -> Any:
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            gate, log_level="error", access_log=False, timeout_graceful_shutdown=GRACE, ws="none"
        )
    )


def _application(verbs: Verbs, runs: Path | None) -> Any:
    """The page with its routes."""
    from pydantic.warnings import UnsupportedFieldAttributeWarning

    # Of FastAPI's routes inside Gradio: nothing a user could do about.
    warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
    import gradio as gr
    from fastapi import FastAPI

    from engine.page.files import add_file_routes
    from engine.page.layout import THEME, page

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_file_routes(app)
    return gr.mount_gradio_app(
        app,
        page(verbs, runs).queue(max_size=MOST_WAITING, api_open=False),
        path="/",
        footer_links=[],
        run_history=False,
        theme=THEME,
        css=files("engine.page").joinpath("page.css").read_text(encoding="utf-8"),
        show_error=True,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
    )
