"""`tm infer` where the truth is known."""

import json

import numpy as np
from PIL import Image

from engine.evaluators.photographs import PhotoEvaluators

OFF = ("--set", "evaluate=false")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def rows_of(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_known_truth_is_shown_and_compared(tm, containers, photo, tmp_path):
    truth, out = tmp_path / "truth", tmp_path / "out"
    made = ("--people", 1, "--per-person", 2, "--ages", "20..70", "--size", 96, "--same-scene")
    assert tm("prep", "synth", truth, *made).code == 0
    weights = containers[0] / "sam.pt"
    argv = ("--ages", "20,45,70", "--out", out, "--weights", weights, "--strip")
    assert tm("infer", photo, *argv, "--set", f"truth='{truth}'").code == 0
    rows = rows_of(out)
    assert [row.get("identity_to") for row in rows] == ["truth", None, "truth"]
    known = pixels(out / "eve_strip.png")
    assert tm("infer", photo, *argv[:2], "--out", tmp_path / "plain", *argv[4:], *OFF).code == 0
    plain = pixels(tmp_path / "plain" / "eve_strip.png")
    assert known.shape[1] == plain.shape[1]
    assert known.shape[0] > 1.7 * plain.shape[0]


def test_portrait_photo_and_truth_are_evaluated_at_one_size(
    tm, containers, photo, tmp_path, monkeypatch
):
    truth, sides = tmp_path / "truth", []
    made = ("--people", 1, "--per-person", 1, "--ages", "40..40", "--size", 96, "--same-scene")
    assert tm("prep", "synth", truth, *made).code == 0
    embedding = PhotoEvaluators.embedding

    def noted(evaluators, portrait):
        sides.append(portrait.shape[-1])
        return embedding(evaluators, portrait)

    monkeypatch.setattr(PhotoEvaluators, "embedding", noted)
    argv = ("--ages", "40", "--out", tmp_path / "out", "--weights", containers[0] / "sam.pt")
    assert tm("infer", photo, *argv, "--set", f"truth='{truth}'").code == 0
    side = pixels(tmp_path / "out" / "eve_age40.png").shape[0]
    assert sides == [side] * 4, "photo, inversion, truth, portrait"


def test_a_truth_of_several_photographs_is_refused(tm, containers, photo, tmp_path):
    made = ("--people", 2, "--per-person", 2, "--ages", "20..70", "--size", 32)
    assert tm("prep", "synth", tmp_path / "truth", *made).code == 0
    argv = ("--ages", "20", "--out", tmp_path / "out", "--weights", containers[0] / "sam.pt")
    result = tm("infer", photo, *argv, "--set", f"truth='{tmp_path / 'truth'}'")
    assert (result.code, "two pictures of the age 20" in result.err) == (3, True)
