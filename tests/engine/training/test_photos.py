import json
import shutil

import numpy as np
import person
import pytest
import torch

from engine.core.errors import UsageError
from engine.core.progress import Silence
from engine.data.manifest import read_manifest
from engine.training.photos import album_digest, read_photos


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return person.photos(tmp_path_factory.mktemp("rendered"), per_person=3)


@pytest.fixture
def album(rendered, tmp_path):
    return shutil.copytree(rendered, tmp_path / "album")


def edit(album, **values):
    rows = [json.loads(line) for line in (album / "manifest.jsonl").read_text().splitlines()]
    rows[0] |= values
    (album / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_same_photos_have_the_same_digest_wherever_they_are(album, rendered):
    edit(album, scores={"blur": 0.5})
    assert album_digest(album) == album_digest(rendered)
    assert album_digest(album).endswith(" of 3 photos")


@pytest.mark.parametrize(
    "values", [{"age": 21}, {"split": "test"}, {"person": "5"}, {"verdict": "drop"}]
)
def test_every_fact_of_a_photo_changes_the_digest(album, rendered, values):
    edit(album, **values)
    assert album_digest(album) != album_digest(rendered)


def test_the_content_of_a_photo_counts(album, rendered):
    one, other = sorted(album.rglob("*.png"))[:2]
    shutil.copyfile(one, other)
    assert album_digest(album) != album_digest(rendered)


def test_a_photo_that_is_gone_counts(album, rendered):
    min(album.rglob("*.png")).unlink()
    assert album_digest(album) != album_digest(rendered)


def test_without_a_manifest_names_and_content_count(album):
    (album / "manifest.jsonl").unlink()
    before = album_digest(album)
    one = min(album.rglob("*.png"))
    one.rename(one.with_name("33_0.png"))
    assert album_digest(album) != before


def test_what_is_no_folder_is_said(tmp_path):
    with pytest.raises(UsageError, match="is not a folder of photos"):
        album_digest(tmp_path / "none")


def test_points_of_a_render_are_scaled_and_mirrored_with_it(album):
    rows = {row.output: row for row in read_manifest(album)}
    photos = read_photos(album, 2 * person.SIZE, Silence()).train
    for name, points in zip(photos.names, photos.landmarks, strict=True):
        source = np.asarray(rows[name].landmarks)
        assert np.allclose(points, 2 * source + 0.5, atol=1e-4)
    both = photos.landmarks_and_flips()
    assert torch.equal(both[0::2], torch.from_numpy(photos.landmarks))
    # The left eye's outer corner becomes the right one's, as far from the other edge.
    assert torch.allclose(both[1, 45, 0], 2 * person.SIZE - 1 - both[0, 36, 0])


def test_points_found_in_the_source_are_seen_from_the_aligned_photo(album):
    """A quad turned by 90 degrees: what lies below its corner in the source is right of it here."""
    corners = [[9.5, -0.5], [-0.5, -0.5], [-0.5, 9.5], [9.5, 9.5]]
    points = [[9.0 - n % 3, float(n % 10)] for n in range(68)]
    name = min(album.rglob("*.png")).relative_to(album).as_posix()
    rows = [json.loads(line) for line in (album / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        if row["output"] == name:
            row |= {"source": "a.jpg", "landmarks": points, "quad": corners, "split": "train"}
        elif row["age"] == 50:
            row |= {"landmarks": None, "split": "train"}
        else:
            row |= {"split": "test"}
    (album / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    photos = read_photos(album, 10, Silence()).train
    found = dict(zip(photos.names, photos.landmarks, strict=True))
    assert np.allclose(found[name], [[n % 10, n % 3] for n in range(68)], atol=1e-5)
    (other,) = found.keys() - {name}
    assert np.isnan(found[other]).all()
