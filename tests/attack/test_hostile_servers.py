"""Servers that redirect, lie and drip: nothing but the file is kept, and every refusal is told."""

import hashlib
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from engine.weights.download import RetryPolicy

FEW = 8
GOOD = bytes(range(256)) * 2000
SHA = hashlib.sha256(GOOD).hexdigest()
HEAD = b"HTTP/1.1 200 OK\r\n"
REDIRECTS = (
    *("file:///etc/passwd", "data:,hello", "ftp://127.0.0.1/x", "http://[bad", "", "/loop"),
    *("http://127.0.0.1:99999/x", "http://127.0.0.1:abc/x", "http://127.0.0.1/\u00e9 x"),
)
RAW = {
    **{f"to {place}": b"HTTP/1.1 302 F\r\nLocation: " + place.encode("latin-1")
       + b"\r\nContent-Length: 0\r\n\r\n" for place in REDIRECTS},
    **{f"status {code}": b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code
       for code in (204, 206, 301, 304, 401, 404, 407, 500, 999)},
    "other bytes": HEAD + b"Content-Length: 512000\r\n\r\n" + bytes(512_000),
    "short": HEAD + b"Content-Length: 512000\r\n\r\n" + GOOD[:1000],
    "huge length": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + GOOD[:99],
    "negative length": HEAD + b"Content-Length: -5\r\n\r\n" + GOOD[:99],
    "huge range": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-9/" + b"9" * 5000 + b"\r\n\r\nabc",
    "no http": bytes(300),
    "escape in status": b"HTTP/1.1 500 \x1b[31m[red]evil[/]\x07\r\nContent-Length: 0\r\n\r\n",
    "long line": HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": HEAD + b"X: a\r\n" * 5000 + b"\r\n",
    "chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    "no chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "page": HEAD + b"Content-Type: text/html\r\nContent-Length: 18\r\n\r\n<html>quota</html>",
    "pointer": HEAD + b"Content-Length: 42\r\n\r\nversion https://git-lfs.github.com/spec/v1\n"[:42],
}  # fmt: skip
NAMES = (
    "../x.bin",
    "/x.bin",
    "a/b.bin",
    "..",
    "x\0.bin",
    "x" * 300 + ".bin",
    "x\n.bin",
    "\x1b.bin",
)


@pytest.fixture
def server(monkeypatch):
    """A server on this machine that answers by the name of the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            good = HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
            loop = b"HTTP/1.1 302 F\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"
            answers = {"good": good, "loop": loop}
            answer = answers[name] if name in answers else list(RAW.values())[int(name)]
            try:
                self.wfile.write(answer)
            except OSError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.delenv("TM_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    quick = partial(RetryPolicy, timeout=1.0, attempts=2, delay=0.0)
    monkeypatch.setattr("engine.weights.fetch.RetryPolicy", quick)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def entry(address, file="x.bin"):
    lines = ("[[weights]]", 'name = "x"', f"file = {json.dumps(file)}", 'about = "a"',
             'licence = "l"', 'commercial = "unknown"', 'data = "d"',
             f"addresses = [{json.dumps(address)}]", f'sha256 = "{SHA}"')  # fmt: skip
    return "\n".join(lines) + "\n"


def test_servers(attack, tm, tmp_path, server):
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in attack.chosen(RAW, FEW):
        (folder / "manifest.toml").write_text(entry(f"{server}/{list(RAW).index(name)}"))
        result = tm("weights", "pull", "x", "--yes")
        also = ["was kept"] if (folder / "x.bin").exists() else []
        attack.told(name, result, allowed={4}, also=also)
    (folder / "manifest.toml").write_text(entry(f"{server}/good"))
    attack.told("good", tm("weights", "pull", "x", "--yes"), allowed={0})
    assert (folder / "x.bin").read_bytes() == GOOD


def test_names_of_weights(attack, tm, tmp_path, server):
    folder = tmp_path / "weights"
    folder.mkdir()
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    for file in attack.chosen(NAMES, FEW):
        (folder / "manifest.toml").write_text(entry(f"{server}/good", file))
        result = tm("weights", "pull", "x", "--yes")
        outside = {path for path in tmp_path.rglob("*") if folder not in path.parents} - before
        also = [f"wrote {outside}"] if outside else []
        attack.told(repr(file[:20]), result, allowed={1, 2, 4}, also=also)
