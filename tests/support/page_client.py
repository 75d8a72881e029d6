"""A scripted browser of the page of `tm serve`: its cookie, uploads, events and files."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from base64 import b64decode
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
BUSY = 503


@contextmanager
def serving(folder, *options):
    """A running `tm serve` in a folder: its address and its process."""
    command = [sys.executable, "-m", "tm", "serve", "--port", "0", *options]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=here)
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if (found := re.search(r"http://\S+", line)) is not None:
                break
        else:
            raise AssertionError("".join(lines))
        yield found[0], process
    finally:
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        code = process.wait(60)
        process.stderr.close()
    assert (code, "the page is closed" in said) == (130, True), said


class Client:
    """One browser."""

    def __init__(self, url):
        self.http = httpx.Client(
            base_url=url.partition("?")[0], timeout=300, follow_redirects=True, trust_env=False
        )
        self.page = self.http.get(url)
        self.hash = secrets.token_hex(6)
        self._events = {}

    def close(self):
        self.http.close()

    def events(self):
        """The numbers of the page's functions by name."""
        if not self._events:
            config = self.http.get("/config").json()
            self._events = {one["api_name"]: one["id"] for one in config["dependencies"]}
        return self._events

    def upload(self, content, name="me.png", *, of=""):
        """of: `person` puts it among the photographs of the tab People."""
        return self.http.post(f"/gradio_api/upload?{of}", files={"files": (name, content)})

    def call(self, event, *data):
        """What an event answers; None where the page says that it is too busy."""
        body = {"data": data, "fn_index": self.events()[event], "session_hash": self.hash}
        joined = self.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code == BUSY:
            return None
        joined.raise_for_status()
        asked = {"session_hash": self.hash}
        with self.http.stream("GET", "/gradio_api/queue/data", params=asked) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") == "process_completed":
                    return message["output"].get("data", message["output"])
        raise AssertionError("the stream ended without an answer")

    def show(self, path, target=65, **more):
        """Ask for a photograph at an age: the HTML of the picture, and of what is said."""
        asked = {"face": 1, "age": None, "force": False, "weights": "photo", **more}
        return self.call("show", {"path": path, "meta": {"_type": "gradio.FileData"}},
                         *asked.values(), target)  # fmt: skip


def pictures(html):
    """The pictures inside some HTML, each (h, w, 3)."""
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    return [np.asarray(Image.open(BytesIO(b64decode(data)))) for data in found]


def peak_memory(pid):
    """The most bytes that a process has had in memory."""
    with open(f"/proc/{pid}/status") as status:
        text = status.read()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) << 10


def waited(condition, seconds=30):
    """Whether a condition comes true in time."""
    ends = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < ends:
        time.sleep(0.1)
    return met
