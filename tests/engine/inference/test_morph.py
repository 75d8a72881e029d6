import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.errors import UsageError
from engine.inference.morph import interpolate, save_film


def test_codes_glide_from_anchor_to_anchor():
    targets = torch.tensor([[0.0], [1.0], [3.0]])
    assert [code.item() for code in interpolate(targets, 4)] == [
        0,
        0.25,
        0.5,
        0.75,
        1,
        1.5,
        2,
        2.5,
        3,
    ]


def frames():
    ramp = np.linspace(0, 255, 32 * 32).reshape(32, 32, 1).astype(np.uint8)
    return [np.repeat(np.roll(ramp, 4 * n, axis=0), 3, axis=2) for n in range(5)]


def test_a_gif_goes_there_and_back_for_ever(tmp_path):
    save_film(tmp_path / "a.gif", frames(), "gif")
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 8
        assert film.info["loop"] == 0


def test_mp4_without_pyav_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UsageError, match="PyAV") as caught:
        save_film(tmp_path / "a.mp4", frames(), "mp4")
    assert "tm-toolkit[video]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_an_mp4_holds_every_frame(tmp_path):
    av = pytest.importorskip("av")
    save_film(tmp_path / "a.mp4", frames(), "mp4")
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 8
