"""The gate before Gradio: host, token, routes, bytes, and paths in events."""

import asyncio
import json

import pytest

from engine.page import gate as module
from engine.page.gate import JOIN, UPLOAD, Gate, inside
from engine.page.sessions import Sessions

HERE = {"host": "127.0.0.1:7860"}


class Behind:
    """What stands behind the gate: notes the bodies that reach it."""

    def __init__(self):
        self.bodies = []

    async def __call__(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def behind():
    return Behind()


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path)


def ask(gate, path, method="GET", *, headers=HERE, chunks=(b"",), query=""):
    """The status and the headers of an answer."""
    sent, waiting = [], list(chunks)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": named}
    asyncio.run(gate({**scope, "query_string": query.encode()}, receive, send))
    start = next(message for message in sent if message["type"] == "http.response.start")
    return start["status"], {key.decode(): value.decode() for key, value in start["headers"]}


def opened(gate, headers=HERE):
    """Headers with the cookie of a session."""
    _, answer = ask(gate, "/", headers=headers)
    cookies = [headers.get("cookie", ""), answer["set-cookie"].partition(";")[0]]
    return {**headers, "cookie": "; ".join(filter(None, cookies))}


def test_the_page_gives_a_session_and_forbids_other_hosts(behind, sessions):
    status, headers = ask(Gate(behind, sessions, 7860), "/")
    assert status == 200
    assert headers["set-cookie"].startswith("tm_7860=")
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["set-cookie"].split("; "))
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:7860"},
        {"host": "["},
        {},
        {**HERE, "origin": "http://["},
        {**HERE, "origin": "http://evil.example"},
        {**HERE, "origin": "null"},
        {**HERE, "origin": "http://127.0.0.1:8000"},
    ],
)
def test_pages_of_other_hosts_get_nothing(behind, sessions, headers):
    assert ask(Gate(behind, sessions, 7860), "/", headers=headers)[0] == 403
    assert not behind.bodies


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/proxy=http://evil.example/"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/vibe-edit/"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/runs"),
        ("DELETE", "/"),
        ("POST", "/"),
        ("GET", "/x\n/config"),
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(behind, sessions, method, path):
    gate = Gate(behind, sessions, 7860)
    headers = opened(gate)
    behind.bodies.clear()
    assert ask(gate, path, method, headers=headers)[0] == 404
    assert not behind.bodies


@pytest.mark.parametrize(
    ("method", "path"), [("POST", UPLOAD), ("POST", JOIN), ("GET", "/gradio_api/file=/etc/passwd")]
)
def test_without_a_session_there_are_no_files_and_no_work(behind, sessions, method, path):
    for cookie in ({}, {"cookie": "tm_7860=guess"}, {"cookie": "\x01;;=="}):
        gate = Gate(behind, sessions, 7860)
        assert ask(gate, path, method, headers={**HERE, **cookie})[0] == 403
    assert not behind.bodies


def test_a_token_is_asked_of_every_route(behind, sessions):
    gate = Gate(behind, sessions, 7860, token="right")
    far = {"host": "10.0.0.5:7860"}
    for path in ("/", "/config", "/assets/x.js", UPLOAD, "/gradio_api/file=/etc/passwd"):
        for query in ("", "token=wrong", "token="):
            assert ask(gate, path, headers=far, query=query)[0] == 401
    status, headers = ask(gate, "/", headers=far, query="token=right")
    assert (status, headers["location"]) == (303, "/")
    assert not behind.bodies
    allowed = {**far, "cookie": headers["set-cookie"].partition(";")[0]}
    assert ask(gate, "/", headers=allowed)[0] == 200


def test_bytes_are_counted_whatever_was_said(behind, sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_UPLOADED", 100)
    gate = Gate(behind, sessions, 7860)
    headers = opened(gate)
    behind.bodies.clear()
    said = {**headers, "content-length": "101"}
    assert ask(gate, UPLOAD, "POST", headers=said)[0] == 413
    lying = {**headers, "content-length": "10"}
    assert ask(gate, UPLOAD, "POST", headers=lying, chunks=[b"x" * 60] * 2)[0] == 413
    assert not behind.bodies
    assert ask(gate, UPLOAD, "POST", headers=headers, chunks=[b"x" * 50] * 2)[0] == 200


def test_an_event_names_files_of_its_session_only(behind, sessions):
    gate = Gate(behind, sessions, 7860)
    headers = opened(gate)
    (session,) = sessions._by_secret.values()
    mine = session.new_upload("me.png")
    mine.write_bytes(b"x")
    other = sessions.open().new_upload("you.png")
    other.write_bytes(b"x")
    behind.bodies.clear()
    good = json.dumps({"data": [{"path": str(mine), "url": f"http://h/gradio_api/file={mine}"}]})
    assert (
        ask(gate, JOIN, "POST", headers=headers, chunks=[good[:9].encode(), good[9:].encode()])[0]
        == 200
    )
    assert behind.bodies == [good.encode()]
    for path in (str(other), "/etc/passwd", "http://evil.example/x.png", "x.png", ""):
        for key in ("path", "url"):
            event = json.dumps({"data": [0, {"a": [{key: path}]}]}).encode()
            assert ask(gate, JOIN, "POST", headers=headers, chunks=[event])[0] == 403
    assert len(behind.bodies) == 1
    assert not inside(b"{", session)
    assert not inside(b"[" * 100_000, session)
