"""Pictures that tm made are no photographs: prep tells them from those that it rendered."""

import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.core.errors import PictureError
from engine.images.png import write_png
from engine.images.raster import Raster
from engine.images.saving import require_photograph, save_png

PIXELS = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"made": "re-aged", "synthetic": True}, "made by tm .re-aged"),
        ({"made": "re-aged strip", "synthetic": True}, "re-aged strip"),
        ({"made": "enhanced", "synthetic": True}, "enhanced"),
        ({"made": "generated", "synthetic": True}, "generated"),
        ({"made": "rendered", "synthetic": True}, None),
        ({"made": "aligned from a photo"}, None),
    ],
)
def test_what_was_made_from_other_pictures_is_skipped(tmp_path, made, reason):
    save_png(tmp_path / "a.png", PIXELS, made)
    with (tmp_path / "b.png").open("wb") as file:  # as enhance writes them
        write_png(file, Raster(PIXELS), {"tm": json.dumps(made)})
    for name in ("a.png", "b.png"):
        if reason is None:
            require_photograph(tmp_path / name)
            continue
        with pytest.raises(PictureError, match=reason) as caught:
            require_photograph(tmp_path / name)
        assert caught.value.status == "skipped"


@pytest.mark.parametrize("text", ["", "x", "[]", "5", '"a"', "{}", '{"synthetic": 1}', "[" * 9999])
def test_a_strange_text_in_a_picture_hurts_nobody(tmp_path, text):
    info = PngInfo()
    info.add_itxt("tm", text)
    Image.fromarray(PIXELS).save(tmp_path / "a.png", pnginfo=info)
    if "synthetic" not in text:
        require_photograph(tmp_path / "a.png")
        return
    with pytest.raises(PictureError, match="made by tm"):
        require_photograph(tmp_path / "a.png")


def test_align_skips_what_infer_made_and_takes_what_was_rendered(tm, tmp_path):
    from engine.app.prep import SynthRequest, synth

    folder, out = tmp_path / "in", tmp_path / "out"
    synth(SynthRequest(out=folder, people=1, per_person=1, ages="40..40", size=192, unaligned=0.3))
    face = next(folder.rglob("*.png"))
    with Image.open(face) as picture:
        save_png(folder / "41_1.png", np.asarray(picture), {"made": "re-aged", "synthetic": True})
    align = ("prep", "align", folder, out, "--size", "64", "--workers", "1")
    result = tm(*align)
    assert "made by tm (re-aged)" in result.err.replace("\n", " ")
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["done", "skipped"]
    assert tm(*align, "--include-synthetic", "--json").json["skipped"] == 0
    if (out / "41_1.png").exists():  # the mark is not lost on the way
        with pytest.raises(PictureError, match="re-aged"):
            require_photograph(out / "41_1.png")
