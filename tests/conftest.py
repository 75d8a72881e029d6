"""Every test starts from the same seeds and away from the user's own folders."""

import json
import random
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tm.cli import main

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


# A suite in a shell's background ignores Ctrl-C, and so would every command that its tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(0)
    torch.manual_seed(0)
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
def photographs(tmp_path_factory):
    """Two albums of six drawn people in two photographs at three ages, 96 px."""
    from evaluation.album import albums

    from engine.core.progress import Silence
    from engine.data.portraits import PortraitPlan, rendered

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_CACHE", str(tmp_path_factory.mktemp("portraits")))
        plan = PortraitPlan(first=902_000, people=6, scenes=2, fixed=(12.0, 45.0, 80.0), size=96)
        return albums(rendered(plan, Silence()))


@pytest.fixture(scope="session")
def faces(photographs):
    """Adults as float (6, 3, 96, 96) in [-1, 1]."""
    from evaluation.album import tensor

    return tensor(photographs[0].pictures[:, 1])


@pytest.fixture
def noise():
    """Normal noise of any shape, the same in every test."""
    generator = torch.Generator().manual_seed(7)
    return lambda *shape: torch.randn(shape, generator=generator)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


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
    import tiny_janus as tiny

    return tiny.save(tmp_path_factory.mktemp("janus"))


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
