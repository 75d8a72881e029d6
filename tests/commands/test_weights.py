import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from engine.core.digest import file_sha256
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec

ENTRY = """
[[weights]]
name = "toy"
file = "toy.bin"
about = "A toy."
licence = "CC0-1.0"
commercial = "yes"
data = "nothing"
addresses = ["{address}"]
"""
CONTENT = b"weights of a toy" * 1000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_):
        pass


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def toy(folder, monkeypatch):
    """A weights folder whose own manifest names a file on a real server."""
    monkeypatch.delenv("TM_OFFLINE")
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/toy"
    (folder / "manifest.toml").write_text(ENTRY.format(address=address), encoding="utf-8")
    yield folder / "toy.bin"
    server.shutdown()
    server.server_close()


@pytest.fixture
def checkpoint(tmp_path):
    """A StyleGAN2 file as rosinality's trainer leaves it, tiny."""
    state = Generator(GeneratorSpec(32, (8, 8, 8, 8), 8, 2)).state_dict()
    torch.save({"g_ema": state, "latent_avg": torch.zeros(8)}, tmp_path / "faces.pt")
    return tmp_path / "faces.pt"


def test_list_is_a_table_of_everything_known(tm):
    result = tm("weights", "list")
    assert result.code == 0
    assert result.err == ""
    for text in (
        "sam",
        "GFPGAN",
        "Apache-2.0",
        "ask the authors",
        "installed",
        "~349 MB",
        "research data",
    ):
        assert text in result.out or text.lower() in result.out


def test_list_as_json_says_what_is_here_and_on_which_terms(tm, folder, checkpoint):
    tm("weights", "import", checkpoint, "--name", "mine")
    result = tm("weights", "list", "--json").json
    rows = {row["name"]: row for row in result["weights"]}
    assert not rows["sam"]["here"]
    assert rows["sam"]["commercial"] == "no"
    assert rows["sam"]["needed_by"] == ["infer", "train", "oneshot"]
    assert rows["realesrgan-x4"]["sha256"].startswith("4fa0d389")
    assert rows["dlib-68-points"]["location"] == "package"
    assert [row["name"] for row in result["own"]] == ["mine"]


def test_pull_without_a_terminal_needs_yes_and_shows_the_terms_first(tm, toy, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    result = tm("weights", "pull", "toy")
    assert result.code == 2
    assert "licence: CC0-1.0; commercial use: yes; trained on: nothing" in result.err
    assert "hint: add `--yes` to agree" in result.err
    assert not toy.exists()


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2)])
def test_pull_on_a_terminal_asks(tm, toy, monkeypatch, answer, code):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert tm("weights", "pull", "toy").code == code
    assert toy.exists() == (code == 0)


def test_pull_fetches_verifies_and_reports(tm, toy, folder):
    result = tm("weights", "pull", "toy", "--yes", "--json")
    assert result.code == 0
    assert toy.read_bytes() == CONTENT
    assert result.json["weights"][0] == {
        "name": "toy",
        "path": str(toy),
        "fetched": True,
        "licence": "CC0-1.0",
        "commercial": "yes",
    }
    again = tm("weights", "pull", "toy", "--json")
    assert not again.json["weights"][0]["fetched"]
    assert tm("weights", "check", "--json").json["files"][0]["state"] == "ok"


def test_pull_can_be_rehearsed(tm, toy):
    result = tm("weights", "pull", "toy", "--dry-run", "--json")
    assert result.code == 0
    assert result.json["dry_run"]
    assert not toy.exists()


def test_pull_offline_is_exit_4(tm, toy, monkeypatch):
    monkeypatch.setenv("TM_OFFLINE", "1")
    result = tm("weights", "pull", "toy", "--yes")
    assert result.code == 4
    assert "TM_OFFLINE forbids to fetch them" in result.err


def test_pull_of_what_no_program_can_fetch_says_where_to_look(tm):
    result = tm("weights", "pull", "sam", "--yes")
    assert result.code == 4
    assert "github.com/yuval-alaluf/SAM" in result.err
    assert "tm weights import sam_ffhq_aging.pt --name sam" in result.err


def test_pull_of_weights_in_the_package_fetches_nothing(tm, monkeypatch):
    monkeypatch.setenv("TM_OFFLINE", "1")
    result = tm("weights", "pull", "selfie", "facemesh", "--json")
    assert result.code == 0
    rows = result.json["weights"]
    assert [(row["name"], row["fetched"]) for row in rows] == [
        ("selfie", False),
        ("facemesh", False),
    ]
    assert rows[0]["licence"] == "Apache-2.0"
    assert "`selfie` is here" in result.err


def test_pull_of_an_unknown_name_offers_the_nearest(tm):
    result = tm("weights", "pull", "gfpgam")
    assert result.code == 2
    assert "did you mean `gfpgan`?" in result.err


def test_import_says_what_the_file_is_and_converts_it(tm, checkpoint, folder):
    result = tm("weights", "import", checkpoint, "--name", "mine")
    assert result.code == 0
    assert result.out == ""
    assert "rosinality, averaged weights" in result.err
    assert "decoder: 5,267 parameters" in result.err
    assert (folder / "mine.safetensors").is_file()


def test_a_bracket_in_a_file_name_is_said_as_it_is(tm, checkpoint):
    path = checkpoint.rename(checkpoint.with_name("[b]faces.pt"))
    assert f"`{path}`: rosinality" in tm("weights", "import", path).err


def test_import_as_json(tm, checkpoint, folder):
    result = tm("weights", "import", checkpoint, "--json").json
    assert result["written"]
    assert result["kind"] == "rosinality"
    assert result["parts"] == {"decoder": 5267}
    assert result["sha256"] == file_sha256(checkpoint)
    assert result["output"] == str(folder / "faces.safetensors")


def test_what_makes_no_network_is_not_imported(tm, checkpoint, folder):
    content = torch.load(checkpoint)
    del content["g_ema"]["conv1.conv.weight"]
    torch.save(content, checkpoint)
    for dry_run in ([], ["--dry-run"]):
        result = tm("weights", "import", checkpoint, *dry_run)
        assert result.code == 4
        assert "conv1.conv.weight" in result.err
    assert list(folder.iterdir()) == []


def test_import_can_be_rehearsed(tm, checkpoint, folder):
    result = tm("weights", "import", checkpoint, "--dry-run")
    assert result.code == 0
    assert "would be kept as `faces`" in result.err
    assert list(folder.iterdir()) == []


def test_import_of_a_web_page_is_exit_4_in_one_sentence(tm, tmp_path):
    path = tmp_path / "sam_ffhq_aging.pt"
    path.write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>")
    result = tm("weights", "import", path)
    assert result.code == 4
    assert result.err.splitlines() == [
        f"error: `{path}` is a web page, not a weights file",
        "",
        "hint: fetch it again",
    ]


def test_import_does_not_replace_other_weights_without_force(tm, checkpoint):
    tm("weights", "import", checkpoint, "--name", "mine")
    content = torch.load(checkpoint)
    content["g_ema"]["style.1.weight"] += 1
    torch.save(content, checkpoint)
    assert tm("weights", "import", checkpoint, "--name", "mine").code == 2
    assert tm("weights", "import", checkpoint, "--name", "mine", "--force").code == 0


def test_check_is_exit_4_when_a_file_is_wrong_and_still_gives_the_report(tm, checkpoint, folder):
    tm("weights", "import", checkpoint)
    assert tm("weights", "check").code == 0
    path = folder / "faces.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    result = tm("weights", "check", "--full", "--json")
    assert result.code == 4
    assert json.loads(result.out)["files"][0]["state"] == "changed"
    assert "1 of 1 files are not what they should be: faces.safetensors" in result.err


def test_check_of_an_empty_folder_is_fine(tm):
    assert tm("weights", "check", "--json").json["sound"]
