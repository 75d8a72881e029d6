"""Filling the caption cache: interrupted runs resume, other models are refused."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.errors import UsageError
from engine.core.progress import Silence
from engine.data.captions import EMBEDDINGS, INDEX, Maker, read_captions
from engine.experts.captioning import Captioned
from engine.images.saving import save_png
from engine.relabel.captioning import CaptionPlan, caption
from engine.relabel.faces import FaceReading
from engine.relabel.source import jobs_of

COUNT, BATCH = 7, 2


class Stand:
    """A deterministic captioner by the bytes of a face, which records its batches."""

    def __init__(self, revision="r1", stops=None):
        self.maker = Maker("stand-in", revision, "p", "s", 4)
        self.stops, self.batches = stops, []

    def caption(self, faces):
        if self.stops is not None and len(self.batches) >= self.stops:
            raise KeyboardInterrupt
        self.batches += [len(faces)]
        digests = [hashlib.sha256(face.tobytes()).digest() for face in faces]
        embeddings = torch.tensor([list(one[:8]) for one in digests], dtype=torch.float32)
        return Captioned(
            tuple(one.hex() for one in digests),
            tuple(str(one[0]) for one in digests),
            embeddings[:, :4],
            embeddings[:, 4:],
        )


def face(number):
    return np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces"
    for number in range(COUNT):
        save_png(folder / f"{number}.png", face(number), {})
    return folder


def planned(faces, folder, captioner):
    return CaptionPlan(
        folder, tuple(jobs_of(faces)), captioner, FaceReading(), True, BATCH, workers=1
    )


def run(faces, folder, captioner=None):
    return caption(planned(faces, folder, captioner or Stand()), Silence())


def content(folder):
    return {name: (folder / name).read_bytes() for name in (INDEX, EMBEDDINGS)}


@pytest.fixture
def whole(faces, tmp_path):
    """The files of an uninterrupted run."""
    run(faces, tmp_path / "whole")
    return content(tmp_path / "whole")


def test_every_face_has_a_row_found_by_the_content_of_its_file(faces, tmp_path):
    report = run(faces, tmp_path / "c")
    assert (report.captioned, report.added, report.left_out) == (COUNT, COUNT, {})
    cache = read_captions(tmp_path / "c")
    for number in range(COUNT):
        row = cache.rows[hashlib.sha256((faces / f"{number}.png").read_bytes()).hexdigest()]
        digest = hashlib.sha256(face(number).tobytes()).digest()
        assert cache.captions[row].image_id == str(number)
        assert cache.captions[row].caption == digest.hex()
        assert cache.image[row].tolist() == list(digest[:4])
        assert cache.text[row].tolist() == list(digest[4:8])
    assert sorted(path.name for path in (tmp_path / "c").iterdir() if path.name[0] != ".") == [
        EMBEDDINGS, INDEX,
    ]  # fmt: skip


def test_an_interrupted_run_resumes_to_the_same_bytes(faces, tmp_path, whole):
    folder = tmp_path / "c"
    for stops in (0, 2):
        with pytest.raises(KeyboardInterrupt):
            run(faces, folder, Stand(stops=stops))
        assert not (folder / INDEX).exists()
    rest = Stand()
    assert run(faces, folder, rest).added == COUNT - 2 * BATCH
    assert rest.batches == [2, 1]
    assert content(folder) == whole
    assert not (folder / ".parts").exists()


def test_a_run_over_a_finished_cache_changes_nothing(faces, tmp_path, whole):
    again = Stand()
    report = run(faces, tmp_path / "whole", again)
    assert (report.captioned, report.added, again.batches) == (COUNT, 0, [])
    assert content(tmp_path / "whole") == whole


def test_only_new_and_changed_pictures_are_captioned(faces, tmp_path, whole):
    save_png(faces / "3.png", face(100), {})
    save_png(faces / "9.png", face(9), {})
    again = Stand()
    report = run(faces, tmp_path / "whole", again)
    assert (report.captioned, report.added, sum(again.batches)) == (COUNT + 1, 2, 2)
    cache = read_captions(tmp_path / "whole")
    assert len(cache) == COUNT + 2  # the caption of the old picture stays


@pytest.mark.parametrize("file", [INDEX, EMBEDDINGS])
def test_a_run_killed_between_its_two_files_loses_nothing(
    faces, tmp_path, whole, monkeypatch, file
):
    folder = tmp_path / "whole"
    save_png(faces / "9.png", face(9), {})
    name = "write_text" if file == INDEX else "write_safetensors"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"engine.data.captions.{name}", killed)
        with pytest.raises(KeyboardInterrupt):
            run(faces, folder)
    if file == INDEX:
        with pytest.raises(UsageError, match="do not belong together"):
            read_captions(folder)
    again = Stand()
    run(faces, folder, again)
    assert again.batches == []
    run(faces, tmp_path / "fresh")
    assert content(folder) == content(tmp_path / "fresh")


def test_captions_of_another_model_are_refused_before_any_work(faces, tmp_path, whole):
    other = Stand("r2")
    with pytest.raises(UsageError, match="holds captions by another model: revision `r1`"):
        run(faces, tmp_path / "whole", other)
    assert other.batches == []
    assert content(tmp_path / "whole") == whole
    with pytest.raises(KeyboardInterrupt):
        run(faces, tmp_path / "c", Stand(stops=1))
    with pytest.raises(UsageError, match="another model"):
        run(faces, tmp_path / "c", other)


def test_another_face_crop_is_another_maker(faces, tmp_path):
    plan = planned(faces, tmp_path / "c", Stand())
    cut = replace(plan, aligned=False)
    assert plan.maker != cut.maker
    assert cut.maker != replace(cut, reading=FaceReading(size=256)).maker


def test_a_picture_that_cannot_be_read_is_named_and_the_others_go_on(faces, tmp_path):
    (faces / "2.png").write_bytes(b"no picture")
    report = run(faces, tmp_path / "c")
    assert report.captioned == COUNT - 1
    assert list(report.left_out) == ["2"]
    again = Stand()
    assert run(faces, tmp_path / "c", again).captioned == COUNT - 1
    assert again.batches == []


def test_equal_pictures_are_captioned_once_under_the_first_name(faces, tmp_path):
    (faces / "a").mkdir()
    (faces / "a" / "copy.png").write_bytes((faces / "5.png").read_bytes())
    captioner = Stand()
    assert run(faces, tmp_path / "c", captioner).captioned == COUNT
    assert sum(captioner.batches) == COUNT
    lines = (tmp_path / "c" / INDEX).read_text().splitlines()
    assert [json.loads(one)["image_id"] for one in lines] == list("0123456")
    (faces / "5.png").unlink()
    assert run(faces, tmp_path / "c").added == 0
    assert "a/copy" in (tmp_path / "c" / INDEX).read_text()
