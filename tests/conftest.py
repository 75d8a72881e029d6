"""Every test starts from the same seeds and away from the user's own folders."""

import json
import random
import signal
import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from tm.cli import main

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


# A suite in a shell's background ignores Ctrl-C, and so would every command that its tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - third-party code under test may still draw from it


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path, monkeypatch):
    """No test sees the real weights folder or the colours of the developer's terminal."""
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TM_OFFLINE", "1")
    for name in ("FORCE_COLOR", "TM_RECIPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture(scope="session")
def shared_photos() -> Path:
    """Real photographs; the tests that need them skip where they are absent."""
    folder = SHARED / "photos"
    if not folder.is_dir():
        pytest.skip("no shared photos here")
    return folder


@pytest.fixture(scope="session")
def tiny_janus(tmp_path_factory) -> Path:
    """The folder of a tiny random Janus-Pro; the tests that need it skip without transformers."""
    pytest.importorskip("transformers")
    spec = spec_from_file_location("tiny_janus", Path(__file__).with_name("janus.py"))
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.save(tmp_path_factory.mktemp("janus"))


@dataclass(frozen=True)
class Told:
    """What a run of `tm` left behind in the terminal."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def tm(capsys, monkeypatch):
    """Run `tm` in this process, through the same `main` as the console script."""

    def run(*argv: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["tm", *map(str, argv)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0
        told = capsys.readouterr()
        return Told(code, told.out, told.err)

    return run
