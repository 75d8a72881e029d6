"""A real web server that misbehaves on demand, and small checkpoints with the published keys."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from engine.weights.download import RetryPolicy
from engine.weights.fetch import fetch
from engine.weights.manifest import Weight


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host = self.server.host
        host.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        host.routes[self.path](self)
        self.close_connection = True

    def answer(self, code, body=b"", *, length=None, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    @property
    def start(self):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked else None

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # the client hung up, as some tests want


class Host:
    """What each path does, and what was asked so far."""

    def __init__(self):
        self.routes, self.asked = {}, []
        self.gone = threading.Event()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.host = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def serve(self, path, route):
        self.routes[path] = route
        return self.url(path)

    def whole(self, path, content, *, etag='"one"', cut=None):
        """Serve `content` with ranges; `cut` closes the line after so many bytes of an answer."""

        def route(handler):
            start = handler.start or 0
            fresh = handler.headers.get("If-Range") in (None, etag)
            if start >= len(content):
                handler.answer(416, Content_Range=f"bytes */{len(content)}")
                return
            body = content[start:] if fresh else content
            sent = body if cut is None else body[:cut]
            if handler.start is not None and fresh:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                handler.answer(206, sent, length=len(body), ETag=etag, Content_Range=span)
            else:
                handler.answer(200, sent, length=len(body), ETag=etag)

        return self.serve(path, route)

    def close(self):
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def host(monkeypatch):
    monkeypatch.delenv("TM_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    running = Host()
    yield running
    running.close()


@pytest.fixture
def retries():
    return RetryPolicy(timeout=0.3, attempts=2, delay=0.0, tries=9, window=0.5)


@pytest.fixture
def payload():
    return (
        torch.randint(0, 255, (3_000_000,), generator=torch.Generator().manual_seed(1))
        .to(torch.uint8)
        .numpy()
        .tobytes()
    )


@pytest.fixture
def weight():
    """Make an entry of the manifest; `weight(address, ...)`."""

    def make(*addresses, **rest):
        settings = {"name": "toy", "file": "toy.bin", "about": "A toy.", "licence": "MIT"}
        settings |= {"commercial": "yes", "data": "nothing", "by_hand": "the toy shop"}
        return Weight(**settings | {"addresses": addresses} | rest)

    return make


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "weights"


@pytest.fixture
def pull(folder, retries):
    def run(weight, **rest):
        return fetch(weight, folder=folder, retries=retries, **rest)

    return run


class Toys:
    """State dicts with the published names and tiny shapes."""

    @staticmethod
    def encoder(channels, *, fork=False):
        state = {
            "input_layer.0.weight": torch.randn(4, channels, 3, 3),
            "body.0.res_layer.0.running_mean": torch.randn(4),
            "body.0.res_layer.0.num_batches_tracked": torch.tensor(7),
            "latlayer1.bias": torch.randn(4),
            "styles.0.linear.weight": torch.randn(4, 4),
        }
        for index in (0, 2, 4, 6, 8) if fork else (0, 2, 4, 6):
            state[f"styles.0.convs.{index}.weight"] = torch.randn(4, 4, 3, 3)
        return state

    @staticmethod
    def decoder(size=32):
        state = {"style.1.weight": torch.randn(4, 4), "input.input": torch.randn(1, 4, 4, 4)}
        for index in range(2 * (size.bit_length() - 3)):
            state[f"convs.{index}.conv.weight"] = torch.randn(1, 4, 4, 3, 3)
        state["convs.0.conv.blur.kernel"] = torch.ones(4, 4)
        state["to_rgbs.0.bias"] = torch.randn(1, 3, 1, 1)
        state["noises.noise_0"] = torch.randn(1, 1, 4, 4)
        return state

    @staticmethod
    def blender():
        return {"age_mlp.0.weight": torch.randn(4, 1), "fc_0.2.bias": torch.randn(4)}

    @staticmethod
    def ir_se50():
        names = ["input_layer.0.weight", *(f"body.{k}.res_layer.1.weight" for k in range(24))]
        return {name: torch.randn(2, 2) for name in (*names, "output_layer.3.weight")}

    @staticmethod
    def dex():
        names = ["conv1-1.weight", "conv5-3.weight", "fc6.weight", "fc8-101.bias"]
        return {name: torch.randn(3) for name in names}

    @staticmethod
    def agetransformer():
        names = ["convs_e.0.0.weight", "layers.0.blocks.0.qkv.weight", "style.1.weight"]
        names += ["to_rgbs.0.bias", "conv1.conv.weight"]
        return {name: torch.randn(3) for name in names}

    @staticmethod
    def joined(**parts):
        return {
            f"{part}.{key}": value for part, state in parts.items() for key, value in state.items()
        }

    def sam(self, **rest):
        parts = {"encoder": self.encoder(4), "decoder": self.decoder()}
        parts["pretrained_encoder"] = self.encoder(3)
        content = {"state_dict": self.joined(**parts), "latent_avg": torch.randn(8, 512)}
        return content | {"opts": {"coach": None, "lr": 1e-4}} | rest


@pytest.fixture
def toys():
    torch.manual_seed(0)
    return Toys()


@pytest.fixture
def saved(tmp_path):
    """Save with torch and give the path back."""

    def save(content, name="toy.pt", **options):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def same():
    """Whether two state dicts hold the same keys, dtypes and values."""

    def compare(one, other):
        assert set(one) == set(other)
        return all(
            torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype for key in one
        )

    return compare
