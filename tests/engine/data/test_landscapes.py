import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.data.landscapes import (
    BalancedSampler,
    RatingPlan,
    WorldPlan,
    rated_preview,
    read_rated,
    rendered,
    sides,
)
from engine.runtime.draws import Draws
from engine.worlds.landscapes import render, scene_va

PLAN = WorldPlan(first=100, count=3, size=16)
RATED = RatingPlan(scale="minmax")


@pytest.fixture
def photos(tmp_path):
    """Twenty rated photos, one rating without a photo, one broken and one unrated photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.zeros((24, 32, 3), np.uint8)
    for number in range(1, 21):
        pixels[:] = number * 10
        pixels[:, 16:] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "21.png").write_bytes(b"no picture")
    Image.fromarray(pixels).save(folder / "99.png")
    lines = [f"{number},{1 + number % 9},5" for number in range(1, 23)]
    (folder / "ratings.csv").write_text("\n".join(lines))
    return folder


def test_a_set_is_rendered_once_and_then_read_from_the_cache(tmp_path):
    landscapes = rendered(PLAN, Silence())
    assert np.array_equal(landscapes.pictures[1], render(*scene_va(101), 101, 16).picture)
    assert landscapes.va[1].tolist() == pytest.approx(scene_va(101))
    (folder,) = (tmp_path / "cache" / "landscapes").iterdir()
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    rendered(PLAN, Silence())
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


def test_notes_count_and_name_unusable_photos_and_ratings(photos):
    read = read_rated(photos, RATED, 16, Silence())
    assert len(read) == 20
    assert read.names[:3] == ("1.png", "2.png", "3.png")
    notes = "; ".join(read.notes)
    assert "loaded 20 of 22" in notes
    assert "1 without a file: 22" in notes
    assert "1 not readable: 21.png" in notes
    assert "1 without a rating: 99" in notes


def test_a_photo_is_cropped_or_stretched_to_a_square(photos):
    cropped = read_rated(photos, RATED, 16, Silence()).pictures[0]
    stretched = read_rated(photos, RatingPlan(scale="minmax", fit="stretch"), 16, Silence())
    assert (cropped[8, :7] == 10).all()
    assert (cropped[8, 9:] == 255).all()
    assert stretched.pictures[0].shape == (16, 16, 3)


def test_too_few_photos_are_an_error_with_the_notes_as_hint(photos):
    for number in range(1, 10):
        (photos / f"{number}.png").unlink()
    with pytest.raises(InputError, match="fewer than 16") as caught:
        read_rated(photos, RATED, 16, Silence())
    assert "without a file" in str(caught.value.hint)


def test_the_split_is_deterministic_and_no_side_is_empty(photos):
    read = read_rated(photos, RATED, 16, Silence())
    train, held_out = sides(read, 0.2)
    assert len(train) + len(held_out) == 20
    assert len(held_out) >= 2
    assert sides(read, 0.2)[1].names == held_out.names


def test_balanced_sampling_weights_rare_values_five_times_at_most():
    common = np.full((990, 2), 0.1)
    sampler = BalancedSampler(np.concatenate([common, np.full((10, 2), 0.9)]))
    rows = torch.cat([sampler.rows(Draws(0, step, range(50)), "rows") for step in range(40)])
    share = float((rows >= 990).float().mean())
    assert share == pytest.approx(5 * 10 / (990 + 5 * 10), rel=0.35)


def test_the_preview_is_a_histogram_and_reads_no_photo(photos):
    for path in photos.glob("*.png"):
        path.write_bytes(b"")
    lines = rated_preview(photos, RATED)
    assert lines[0].startswith("21 of 22 rated photos are there")
    counts = np.array([[int(n) for n in line.split()] for line in lines[-5:]])
    assert counts.sum() == 21


def test_photos_may_lie_in_a_folder_of_images_beside_their_table(photos):
    (photos / "images").mkdir()
    for path in photos.glob("*.png"):
        path.rename(photos / "images" / path.name)
    assert rated_preview(photos, RATED)[0].startswith("21 of 22")
    assert rated_preview(photos / "images", RATED)[0].startswith("21 of 22")


def test_an_ambiguous_table_must_be_named(photos):
    (photos / "more.csv").write_text("1,2,3\n")
    with pytest.raises(UsageError, match="2 tables"):
        read_rated(photos, RATED, 16, Silence())
    assert len(read_rated(photos, RatingPlan(scale="minmax", table="ratings.csv"), 16, Silence()))


def test_flipped_pictures_are_mirrored():
    landscapes = rendered(PLAN, Silence())
    plain = landscapes.tensor([0, 1])
    flipped = landscapes.tensor([0, 1], torch.tensor([True, False]))
    assert torch.equal(flipped[0], plain[0].flip(2))
    assert torch.equal(flipped[1], plain[1])


def test_a_published_set_with_bare_carriage_returns_and_trailing_blanks_is_read_in_full(tmp_path):
    """As OASIS is (Kurdi et al. 2017): a scale from 1 to 7, one table, other categories too."""
    folder = tmp_path / "images"
    folder.mkdir()
    scenes = [f"Beach {number}" for number in range(1, 18)] + ["Crosswalk 1 ", "War 2 "]
    head = (
        ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N"
    )
    lines = [head, "I1,Acorns 1,Object,Pixabay,4.68627451,0.95,102,2.346534653,1.6,101"]
    for number, theme in enumerate(scenes):
        pixels = np.full((40, 50, 3), 10 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{theme.strip()}.jpg")
        lines.append(f"I{number},{theme},Scenery,Pixabay,{1 + number / 3},0.6,108,2.5,1.5,108")
    (tmp_path / "OASIS.csv").write_bytes("\r".join([*lines, ""]).encode())
    plan = RatingPlan(scale="1..7")
    read = read_rated(folder, plan, 16, Silence())
    assert len(read) == len(scenes)
    by_name = dict(zip(read.names, read.va.tolist(), strict=True))
    assert by_name["War 2.jpg"] == pytest.approx([1.0, 0.25])
    assert "loaded 19 of 20 rated photos" in read.notes[0]
    assert "1 without a file: acorns 1" in read.notes[1]
    assert rated_preview(folder, plan)[0].startswith("19 of 20 rated photos are there")
