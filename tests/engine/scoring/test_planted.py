"""Defects that we planted, and what the figures must make of them."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.progress import Silence
from engine.geometry.ffhq import Quad
from engine.inference.subject import Subject
from engine.scoring.evaluate import evaluate
from engine.scoring.material import Material, Method, Source, Task, at_side
from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.seeds import scene_seed

FIRST, PEOPLE, SIZE, TARGET = 902_500, 5, 96, 45.0


def drawn(person, age, number, size=SIZE):
    return render(identity(person), age, scene(scene_seed(person, number)), size).picture


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Five people, a photo of each, the same photograph at 45, and five strangers."""
    folder = tmp_path_factory.mktemp("crowd")
    sources, truth = {}, {}
    for person in range(FIRST, FIRST + PEOPLE):
        key = f"{person:064d}"
        photo = drawn(person, 40, 0)
        subject = Subject(folder / f"{person}.png", key, photo, Quad.frame(SIZE, SIZE))
        sources[key] = Source(subject, 40.0, str(person))
        truth[Task(key, TARGET)] = drawn(person, TARGET, 0)
    strangers = [drawn(FIRST + PEOPLE + n, TARGET, 1) for n in range(PEOPLE)]
    made = Method("made", {task: drawn(int(task.source), TARGET, 1) for task in truth})
    return Material("crowd", sources, [made], truth, strangers=strangers)


def told(material, panel):
    return evaluate(material, panel, Silence(), subject="made", device="cpu").report["made"]


def test_shuffled_people_are_verified_at_chance(crowd, world):
    right = told(crowd, world.panel)
    assert right["verification"]["auc"] > 0.9
    tasks, (way,) = list(crowd.truth), crowd.ways
    wrong = {task: way.portraits[tasks[n - 1]] for n, task in enumerate(tasks)}
    shuffled = told(replace(crowd, ways=[Method("made", wrong)]), world.panel)
    assert shuffled["verification"]["auc"] == pytest.approx(0.5, abs=0.2)
    assert shuffled["verification"]["rate"] <= 0.2 < right["verification"]["rate"]
    assert shuffled["identity"] < 0.25 < right["identity"]
    # Their ages are as right as before: the headline needs both.
    assert shuffled["age_mae"] == pytest.approx(right["age_mae"])
    assert shuffled["right"] == 0 < right["right"]


def test_a_portrait_loses_nothing_by_being_smaller_than_the_truth(crowd, world):
    task, *_ = crowd.truth
    large = drawn(int(task.source), TARGET, 0, 2 * SIZE)
    small = {task: at_side(large, SIZE)}
    one = replace(crowd, ways=[Method("made", small)], truth={task: large}, strangers=())
    evaluation = evaluate(one, world.panel, Silence(), subject="made", device="cpu")
    report = evaluation.report
    assert (report["made"]["identity"], report["made"]["perceptual"]) == (1.0, 0.0)
    assert (report["judges"]["compared_at_px"], report["judges"]["shrunk"]) == (SIZE, True)
    # Beside it, what that size cost before: the pictures shown are as large as they were.
    seen = world.panel.see([large, small[task]]).vectors["dlib 128-D"]
    assert np.linalg.norm(seen[0] - seen[1]) > 0.02
    (truth,) = (way for way in evaluation.ways if way.name == "truth")
    assert truth.portraits[task].shape == large.shape


def test_the_smallest_of_portraits_and_truth_is_what_all_are_compared_at(crowd):
    (task, *_), (way,) = crowd.truth, crowd.ways
    assert crowd.side == SIZE
    wide = replace(way, portraits={t: at_side(p, 2 * SIZE) for t, p in way.portraits.items()})
    assert replace(crowd, ways=[way, wide]).at_one_side().ways[1].portraits[task].shape[0] == SIZE
    assert replace(crowd, ways=[wide]).side == SIZE
    assert replace(crowd, ways=[wide], truth={}).side == 2 * SIZE
    tiny = replace(crowd, truth={t: at_side(p, 48) for t, p in crowd.truth.items()}).at_one_side()
    assert {len(tiny.sources[task.source].face()), len(tiny.strangers[0])} == {48}
