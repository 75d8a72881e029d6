"""Reconstruction and ageing: the truth passes, doing nothing, blur and other people do not."""

import cv2
import numpy as np
import pytest
import torch
from evaluation.ageing import (
    Aged,
    Ways,
    examine_ages,
    examine_colours,
    examine_identity,
    examine_likeness,
)
from evaluation.grids import ageing_grid, close_up, reconstruction_grid
from evaluation.reconstruction import examine_reconstruction

from engine.evaluators.dlib import Described, ImpostorTable, described

STARTS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def seen(photographs):
    """dlib on both photographs of everyone."""
    return [
        described(album.pictures.reshape(-1, 96, 96, 3), album.points.reshape(-1, 68, 2))
        for album in photographs
    ]


@pytest.fixture(scope="module")
def strangers(photographs, seen):
    album = photographs[0]
    strata = [one for row in album.strata for one in row]
    return ImpostorTable.of(seen[0].vectors, np.repeat(album.people, len(album.ages)), strata)


@pytest.fixture(scope="module")
def perfect(photographs):
    one, other = photographs
    return Aged(one, other, np.array(one.pictures), STARTS)


@pytest.fixture(scope="module")
def idle(perfect):
    """Nothing done: the input at every target."""
    outputs = perfect.left_alone(perfect.truth.pictures)
    return Aged(perfect.truth, perfect.other, outputs, STARTS)


def figures(examined):
    return {figure.name.split(": ")[1]: figure for figure in examined.figures}


def seen_idle(idle, seen):
    vectors = seen[0].vectors.reshape(*idle.outputs.shape[:2], -1)
    return Described(idle.left_alone(vectors).reshape(-1, vectors.shape[-1]), seen[0].detected)


def oracle(aged):
    """Ages of the truth's pictures, looked up; 25 years for any other picture."""
    known = {
        pixels.tobytes(): float(age)
        for row in aged.truth.pictures
        for pixels, age in zip(row, aged.truth.ages, strict=True)
    }

    def ages(pictures):
        pixels = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return torch.tensor([known.get(one.tobytes(), 25.0) for one in pixels])

    return ages


def test_gaps_are_years_from_the_input(perfect):
    assert perfect.gaps[:3].tolist() == [[0, 33, 68], [-33, 0, 35], [-68, -35, 0]]
    assert np.array_equal(perfect.inputs[1], perfect.truth.pictures[1, 1])


def test_the_truth_has_the_right_ages_in_order(perfect):
    told, ways = examine_ages(perfect, oracle(perfect))
    assert [figure.passed for figure in told.figures] == [True, None, True]
    assert np.array_equal(ways.output, ways.truth)


def test_doing_nothing_keeps_no_order(idle):
    told, ways = examine_ages(idle, oracle(idle))
    assert [figure.passed for figure in told.figures] == [False, None, False]
    assert np.array_equal(ways.output, ways.nothing)
    assert [figure.value for figure in told.figures] == [figure.nothing for figure in told.figures]


def test_an_error_below_the_judges_own_is_pointed_out(perfect):
    # Plain grey that this judge takes for an age, while it misreads every face by 20 years.
    greys = np.broadcast_to(
        perfect.truth.ages.astype(np.uint8)[:, None, None, None], (3, 96, 96, 3)
    )
    cheating = Aged(perfect.truth, perfect.other, np.stack([greys] * 6), STARTS)
    read = oracle(perfect)

    def judge(pictures):
        grey = (pictures[:, 0, 0, 0] + 1) * 127.5
        return torch.where(pictures.std(dim=(1, 2, 3)) < 1e-3, grey, read(pictures) + 20)

    told, _ = examine_ages(cheating, judge)
    assert told.figures[0].value < told.figures[0].truth
    assert "cheating" in told.figures[0].note
    assert examine_ages(perfect, judge)[0].figures[0].note == ""


def test_the_truth_beats_doing_nothing_at_every_gap(perfect):
    told = figures(examine_likeness(perfect))
    assert told["PSNR, gaps >= 20 y"].passed
    assert told["gradient distance, gaps >= 20 y"].passed
    assert told["energy of eyes fine, output / truth"].value == pytest.approx(1)


def test_doing_nothing_beats_nothing_at_no_gap(idle):
    told = figures(examine_likeness(idle))
    for name in ("PSNR, gaps >= 20 y", "gradient distance, gaps >= 20 y"):
        assert told[name].passed is False
        assert told[name].note == "better at 0 of 6 gaps"


def test_blurred_truth_is_given_away_by_its_energy(perfect):
    soft = np.stack(
        [[cv2.GaussianBlur(one, (0, 0), 1.5) for one in row] for row in perfect.outputs]
    )
    told = figures(examine_likeness(Aged(perfect.truth, perfect.other, soft, STARTS)))
    assert told["PSNR, gaps >= 20 y"].passed
    assert told["energy of skin fine, output / truth"].value < 0.5


def test_the_truth_has_the_worlds_colours(perfect):
    told = figures(examine_colours(perfect))
    assert told["hair within the world's colours"].passed
    assert told["skin within the world's colours"].passed
    assert told["hair colour off the truth's, in CIELAB"].value == 0


def test_pictures_of_swapped_channels_have_not(perfect):
    swapped = Aged(perfect.truth, perfect.other, perfect.outputs[..., ::-1], STARTS)
    told = figures(examine_colours(swapped))
    assert told["skin within the world's colours"].passed is False
    assert told["skin colour off the truth's, in CIELAB"].value > 10


def test_identity_of_the_truth_is_its_own_measure(perfect, seen):
    told = figures(examine_identity(perfect, seen[0], *seen))
    area = told["dlib verification AUC, mean over targets"]
    assert area.value == area.truth >= area.nothing
    right = told["identity right (equal-error limit of the truth at that age)"]
    assert right.value == right.truth > 0.5


def test_age_and_identity_have_to_be_right_together(perfect, seen):
    targets = np.broadcast_to(perfect.truth.ages.astype(float), (6, 3))
    half = np.where(np.arange(6)[:, None] < 3, targets, targets + 9)
    ways = Ways(half, targets, np.zeros((6, 3)))
    told = figures(examine_identity(perfect, seen[0], *seen, ways))
    both = told["age within 8 y and identity right"]
    assert both.truth == told["identity right (equal-error limit of the truth at that age)"].truth
    assert 0 < both.value < both.truth
    assert both.nothing < both.value


def test_other_people_are_not_the_person(perfect, seen):
    vectors = seen[0].vectors.reshape(6, 3, -1)
    others = Described(np.roll(vectors, 1, axis=0).reshape(18, -1), seen[0].detected)
    told = figures(examine_identity(perfect, others, *seen))
    area = told["dlib verification AUC, mean over targets"]
    assert area.value < area.truth


def test_the_picture_itself_is_a_perfect_reconstruction(photographs, seen, strangers):
    album = photographs[0]
    told = examine_reconstruction(album, album.pictures, seen[0], *seen, strangers)
    assert all(figure.passed in (True, None) for figure in told.figures)
    assert figures(told)["identity by dlib, 1 - d/d0"].value == pytest.approx(1, abs=1e-6)


def test_blur_fails_by_its_energy_in_every_region(photographs, seen, strangers):
    album = photographs[0]
    soft = np.stack([[cv2.GaussianBlur(one, (0, 0), 1.5) for one in p] for p in album.pictures])
    told = examine_reconstruction(album, soft, seen[0], *seen, strangers)
    energies = [figure for name, figure in figures(told).items() if name.startswith("energy")]
    assert len(energies) == 6
    assert all(figure.passed is False for figure in energies)


def test_someone_else_is_no_reconstruction(photographs, seen, strangers):
    album = photographs[0]
    other = np.roll(album.pictures, 1, axis=0)
    vectors = np.roll(seen[0].vectors.reshape(6, 3, -1), 1, axis=0).reshape(18, -1)
    told = figures(
        examine_reconstruction(album, other, Described(vectors, seen[0].detected), *seen, strangers)
    )
    assert told["identity by dlib, 1 - d/d0"].passed is False
    assert told["identity by dlib, 1 - d/d0"].value < 0.2


def test_the_grid_has_truth_above_output(perfect):
    grid = ageing_grid(perfect, [0, 2])
    gap, line = 96 // 16, 11 + 4
    step = 96 + 2 * line + gap
    top = grid[gap : gap + 96, gap : gap + 96]
    below = grid[gap + step : gap + step + 96, gap : gap + 96]
    assert np.array_equal(top, perfect.truth.pictures[0, 0])
    assert np.array_equal(below, perfect.outputs[0, 0])
    assert grid.shape[0] == gap + 4 * step


def test_close_ups_are_whole_pixels_within_the_picture(photographs):
    pixels = photographs[0].pictures[0, 0]
    corner = close_up(pixels, np.array([0.0, 95.0]), 42)
    assert np.array_equal(corner[::4, ::4], pixels[-42:, :42])
    assert np.array_equal(corner[1::4, 3::4], pixels[-42:, :42])


def test_the_reconstruction_grid_has_a_row_for_each_place(photographs):
    album = photographs[0]
    one, two = (reconstruction_grid(album, album.pictures, [(0, 1), (2, 2)][:n]) for n in (1, 2))
    assert two.shape[0] > 1.8 * one.shape[0]
    assert two.shape[1] == one.shape[1] > 6 * 168
