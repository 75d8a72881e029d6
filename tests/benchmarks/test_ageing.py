"""Reconstruction and ageing: the truth passes; the unchanged input, blur and other people fail."""

import cv2
import numpy as np
import pytest
import torch
from evaluation.ageing import (
    AgedAlbum,
    Comparison,
    evaluate_ages,
    evaluate_colours,
    evaluate_identity,
    evaluate_similarity,
)
from evaluation.grids import ageing_grid, close_up, reconstruction_grid
from evaluation.reconstruction import evaluate_reconstruction

from engine.evaluators.dlib import Described, ImpostorTable, described

STARTS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def descriptions(photographs):
    """dlib on both photographs of everyone."""
    return [
        described(album.pictures.reshape(-1, 96, 96, 3), album.points.reshape(-1, 68, 2))
        for album in photographs
    ]


@pytest.fixture(scope="module")
def impostors(photographs, descriptions):
    album = photographs[0]
    strata = [one for row in album.strata for one in row]
    return ImpostorTable.of(
        descriptions[0].vectors, np.repeat(album.people, len(album.ages)), strata
    )


@pytest.fixture(scope="module")
def perfect(photographs):
    one, other = photographs
    return AgedAlbum(one, other, np.array(one.pictures), STARTS)


@pytest.fixture(scope="module")
def unchanged(perfect):
    """The unchanged input at every target."""
    outputs = perfect.unchanged(perfect.truth.pictures)
    return AgedAlbum(perfect.truth, perfect.other, outputs, STARTS)


def metrics(evaluation):
    return {metric.name.split(": ")[1]: metric for metric in evaluation.metrics}


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
    result, years = evaluate_ages(perfect, oracle(perfect))
    assert [metric.passed for metric in result.metrics] == [True, None, True]
    assert np.array_equal(years.output, years.truth)


def test_the_unchanged_input_has_no_order(unchanged):
    result, years = evaluate_ages(unchanged, oracle(unchanged))
    assert [metric.passed for metric in result.metrics] == [False, None, False]
    assert np.array_equal(years.output, years.unchanged)
    assert [metric.value for metric in result.metrics] == [
        metric.unchanged for metric in result.metrics
    ]


def test_an_error_below_that_of_the_truth_gets_a_note(perfect):
    # An estimator that reads an age from plain grey, and is off by 20 years on every face.
    greys = np.broadcast_to(
        perfect.truth.ages.astype(np.uint8)[:, None, None, None], (3, 96, 96, 3)
    )
    cheating = AgedAlbum(perfect.truth, perfect.other, np.stack([greys] * 6), STARTS)
    read = oracle(perfect)

    def estimator(pictures):
        grey = (pictures[:, 0, 0, 0] + 1) * 127.5
        return torch.where(pictures.std(dim=(1, 2, 3)) < 1e-3, grey, read(pictures) + 20)

    result, _ = evaluate_ages(cheating, estimator)
    assert result.metrics[0].value < result.metrics[0].truth
    assert "cheating" in result.metrics[0].note
    assert evaluate_ages(perfect, estimator)[0].metrics[0].note == ""


def test_the_truth_beats_the_unchanged_input_at_every_gap(perfect):
    result = metrics(evaluate_similarity(perfect))
    assert result["PSNR, gaps >= 20 y"].passed
    assert result["gradient distance, gaps >= 20 y"].passed
    assert result["energy of eyes fine, output / truth"].value == pytest.approx(1)


def test_the_unchanged_input_is_better_at_no_gap(unchanged):
    result = metrics(evaluate_similarity(unchanged))
    for name in ("PSNR, gaps >= 20 y", "gradient distance, gaps >= 20 y"):
        assert result[name].passed is False
        assert result[name].note == "better at 0 of 6 gaps"


def test_the_energy_reveals_a_blurred_truth(perfect):
    soft = np.stack(
        [[cv2.GaussianBlur(one, (0, 0), 1.5) for one in row] for row in perfect.outputs]
    )
    result = metrics(evaluate_similarity(AgedAlbum(perfect.truth, perfect.other, soft, STARTS)))
    assert result["PSNR, gaps >= 20 y"].passed
    assert result["energy of skin fine, output / truth"].value < 0.5


def test_the_truth_has_the_worlds_colours(perfect):
    result = metrics(evaluate_colours(perfect))
    assert result["hair within the world's colours"].passed
    assert result["skin within the world's colours"].passed
    assert result["hair colour distance to the truth, in CIELAB"].value == 0


def test_swapped_channels_are_outside_the_worlds_colours(perfect):
    swapped = AgedAlbum(perfect.truth, perfect.other, perfect.outputs[..., ::-1], STARTS)
    result = metrics(evaluate_colours(swapped))
    assert result["skin within the world's colours"].passed is False
    assert result["skin colour distance to the truth, in CIELAB"].value > 10


def test_the_identity_of_the_truth_is_the_reference(perfect, descriptions):
    result = metrics(evaluate_identity(perfect, descriptions[0], *descriptions))
    area = result["dlib verification AUC, mean over targets"]
    assert area.value == area.truth >= area.unchanged
    right = result["verification rate at the equal-error threshold of the truth"]
    assert right.value == right.truth > 0.5


def test_gains_over_doing_nothing_leave_out_the_age_of_the_input(perfect, descriptions):
    result = metrics(evaluate_identity(perfect, descriptions[0], *descriptions))
    nothing = Described(
        perfect.unchanged(descriptions[0].vectors.reshape(6, 3, -1)).reshape(18, -1),
        descriptions[0].detected,
    )
    without = metrics(evaluate_identity(perfect, nothing, *descriptions))
    for name in (
        "dlib verification rate",
        "dlib distance to another photograph at the target age, less",
    ):
        gain, none = (one[f"gain over doing nothing, {name}"] for one in (result, without))
        assert gain.value > 0
        assert gain.interval.low <= gain.value <= gain.interval.high
        assert none.value == none.interval.low == 0
        assert none.passed is False


def test_age_and_identity_count_together(perfect, descriptions):
    targets = np.broadcast_to(perfect.truth.ages.astype(float), (6, 3))
    half = np.where(np.arange(6)[:, None] < 3, targets, targets + 9)
    years = Comparison(half, targets, np.zeros((6, 3)))
    result = metrics(evaluate_identity(perfect, descriptions[0], *descriptions, years))
    both = result["age within 8 y and identity verified"]
    assert both.truth == result["verification rate at the equal-error threshold of the truth"].truth
    assert 0 < both.value < both.truth
    assert both.unchanged < both.value


def test_other_people_are_not_verified(perfect, descriptions):
    vectors = descriptions[0].vectors.reshape(6, 3, -1)
    others = Described(np.roll(vectors, 1, axis=0).reshape(18, -1), descriptions[0].detected)
    result = metrics(evaluate_identity(perfect, others, *descriptions))
    area = result["dlib verification AUC, mean over targets"]
    assert area.value < area.truth


def test_the_picture_itself_is_a_perfect_reconstruction(photographs, descriptions, impostors):
    album = photographs[0]
    result = evaluate_reconstruction(
        album, album.pictures, descriptions[0], *descriptions, impostors
    )
    assert all(metric.passed in (True, None) for metric in result.metrics)
    assert metrics(result)["identity by dlib, 1 - d/d0"].value == pytest.approx(1, abs=1e-6)


def test_blur_fails_by_its_energy_in_every_region(photographs, descriptions, impostors):
    album = photographs[0]
    soft = np.stack([[cv2.GaussianBlur(one, (0, 0), 1.5) for one in p] for p in album.pictures])
    result = evaluate_reconstruction(album, soft, descriptions[0], *descriptions, impostors)
    energies = [metric for name, metric in metrics(result).items() if name.startswith("energy")]
    assert len(energies) == 6
    assert all(metric.passed is False for metric in energies)


def test_another_person_fails_as_a_reconstruction(photographs, descriptions, impostors):
    album = photographs[0]
    other = np.roll(album.pictures, 1, axis=0)
    vectors = np.roll(descriptions[0].vectors.reshape(6, 3, -1), 1, axis=0).reshape(18, -1)
    result = metrics(
        evaluate_reconstruction(
            album, other, Described(vectors, descriptions[0].detected), *descriptions, impostors
        )
    )
    assert result["identity by dlib, 1 - d/d0"].passed is False
    assert result["identity by dlib, 1 - d/d0"].value < 0.2


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
