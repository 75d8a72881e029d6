"""What comes before Gradio: who may ask for what, how much, and what the browser may load.

Gradio answers many routes that this page does not use (proxies, plain files, an editor of its own
code); only those named here reach it.
"""

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from engine.core.errors import TmError
from engine.core.jsontext import from_json
from engine.page.sessions import BusyError, Session, Sessions

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/gradio_api"
UPLOAD, FILE, JOIN = f"{API}/upload", f"{API}/file=", f"{API}/queue/join"
SESSION = "tm_session"
"""Where the scope of a request has its session."""
MOST_UPLOADED = 48 << 20
"""Bytes of an upload."""
MOST_SAID = 1 << 20
"""Bytes of any other request."""
GET = re.compile(
    r"/|/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt)/?|/(assets|static|svelte)/.*"
    rf"|{API}/(theme\.css|queue/data|startup-events|app_id|upload_progress|file=.*|heartbeat/\w+)"
)
POST = re.compile(rf"{API}/(queue/join|cancel|reset|upload)/?")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    # Gradio builds its page from inline scripts and styles; nothing may come from or go elsewhere.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'"
    " blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data:"
    " blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:;"
    " frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self';"
    " frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


class TooLargeError(Exception):
    """A request with more bytes than are read."""


@dataclass(frozen=True, slots=True)
class Gate:
    """An ASGI application around another one.

    port: in the name of the cookies, which browsers share between ports; token: what a browser has
    to show first, None on loopback, where a page of another host is refused instead.
    """

    app: App
    sessions: Sessions
    port: int
    token: str | None = None

    @property
    def cookie(self) -> str:
        """The name of the cookie of sessions."""
        return f"tm_{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        path, method, cookies = (
            scope["path"],
            scope["method"],
            cookies_of(headers.get("cookie", "")),
        )
        if not self._from_here(headers):
            await said(send, 403, "this page answers only under its own address")
            return
        if self.token is not None and not same(cookies.get(f"{self.cookie}_token"), self.token):
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if method == "GET" and path == "/" and same(given, self.token):
                await said(send, 303, "", location="/", cookies=[self._set("_token", given)])
            else:
                await said(send, 401, "open the address that `tm serve` printed, with its token")
            return
        wanted = {"GET": GET, "HEAD": GET, "POST": POST}.get(method)
        if wanted is None or not wanted.fullmatch(path):
            await said(send, 404, "there is nothing here")
            return
        session, new = self.sessions.get(cookies.get(self.cookie)), False
        if session is None and path == "/":
            try:
                session, new = self.sessions.open(), True
            except BusyError:
                await said(send, 503, "too many browsers use this page: try again later")
                return
        if session is None and path.startswith(API) and "theme.css" not in path:
            await said(send, 403, "this page is no longer known here: load it anew")
            return
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > most(path):
            await said(send, 413, f"larger than {most(path) >> 20} MB")
            return
        scope, receive = {**scope, SESSION: session}, counted(receive, most(path))
        try:
            if session is not None and path.rstrip("/") == JOIN:
                body = await whole(receive)
                if not inside(body, session):
                    await said(send, 403, "a path outside the folder of this session")
                    return
                receive = replayed(body, receive)
            await self.app(scope, receive, self._marked(send, session if new else None))
        except TooLargeError:
            await said(send, 413, f"larger than {most(path) >> 20} MB")

    def _from_here(self, headers: dict[str, str]) -> bool:
        """Whether the request is for this page, and from it where the browser says so.

        Names other than loopback's may be those of a hostile page that points at this machine.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            if self.token is None and urlsplit(f"//{host}").hostname not in LOOPBACK:
                return False
            return origin is None or urlsplit(origin).netloc == host
        except ValueError:  # `[`, no address at all
            return False

    def _set(self, suffix: str, value: str) -> str:
        return f"{self.cookie}{suffix}={value}; Path=/; HttpOnly; SameSite=Strict"

    def _marked(self, send: Send, new: Session | None) -> Send:
        """Send with the headers of this page, and the cookie of a new session."""
        added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        if new is not None:
            added.append((b"set-cookie", self._set("", new.secret).encode()))

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        return sending


def most(path: str) -> int:
    """The bytes that a request may have."""
    return MOST_UPLOADED if path.rstrip("/") == UPLOAD else MOST_SAID


def counted(receive: Receive, limit: int) -> Receive:
    """Receive at most so many bytes, whatever the length that was said; else TooLargeError."""
    read = 0

    async def receiving() -> dict[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise TooLargeError
        return message

    return receiving


async def whole(receive: Receive) -> bytes:
    """The body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read already, then what comes after it."""
    given = False

    async def receiving() -> dict[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def inside(body: bytes, session: Session) -> bool:
    """Whether every file that an event names lies in the session's folder; Gradio would copy, or
    even fetch, what such a path or address leads to.
    """
    try:
        event = from_json(body)
    except (ValueError, RecursionError):
        return False
    waiting = [event]
    while waiting:
        match waiting.pop():
            case dict() as some:
                for name in ("path", "url"):
                    named = some.get(name)
                    if isinstance(named, str) and not _own(named, session):
                        return False
                waiting += some.values()
            case list() as some:
                waiting += some
            case _:
                pass
    return True


def _own(named: str, session: Session) -> bool:
    """Whether a path, or the address by which this page serves it, is the session's own."""
    path = named.partition(FILE)[2] if FILE in named else named
    try:
        return Path(path).is_absolute() and session.file(unquote(path)) is not None
    except TmError:
        return False


def cookies_of(text: str) -> dict[str, str]:
    """The cookies of a request; none for text that is no list of them."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


def same(given: str | None, wanted: str) -> bool:
    """Whether two secrets are one, in a time that says nothing of where they differ."""
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


async def said(
    send: Send, status: int, text: str, *, location: str = "", cookies: list[str] | None = None
) -> None:
    """Answer with one sentence."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    headers += [(b"set-cookie", cookie.encode()) for cookie in cookies or ()]
    headers += [(b"location", location.encode())] if location else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode()})
