"""Planted defects and their figures."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.progress import Silence
from engine.geometry.ffhq import Quad
from engine.inference.subject import Subject
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.material import Material, Method, Source, Task, at_side
from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.seeds import scene_seed

FIRST, PEOPLE, SIZE, TARGET = 902_500, 5, 96, 45.0


def drawn(person, age, number, size=SIZE):
    return render(identity(person), age, scene(scene_seed(person, number)), size).picture


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Five people, a photo of each, the same photograph at 45, and five impostors."""
    folder = tmp_path_factory.mktemp("crowd")
    sources, truth = {}, {}
    for person in range(FIRST, FIRST + PEOPLE):
        key = f"{person:064d}"
        photo = drawn(person, 40, 0)
        subject = Subject(folder / f"{person}.png", key, photo, Quad.frame(SIZE, SIZE))
        sources[key] = Source(subject, 40.0, str(person))
        truth[Task(key, TARGET)] = drawn(person, TARGET, 0)
    impostors = [drawn(FIRST + PEOPLE + n, TARGET, 1) for n in range(PEOPLE)]
    made = Method("made", {task: drawn(int(task.source), TARGET, 1) for task in truth})
    return Material("crowd", sources, [made], truth, impostors=impostors)


def result_of(material, suite):
    return evaluate_methods(material, suite, Silence(), subject="made", device="cpu").report["made"]


def test_shuffled_people_are_verified_at_chance(crowd, world):
    right = result_of(crowd, world.suite)
    assert right["verification"]["auc"] > 0.9
    tasks, (method,) = list(crowd.truth), crowd.methods
    wrong = {task: method.portraits[tasks[n - 1]] for n, task in enumerate(tasks)}
    shuffled = result_of(replace(crowd, methods=[Method("made", wrong)]), world.suite)
    assert shuffled["verification"]["auc"] == pytest.approx(0.5, abs=0.2)
    assert (
        shuffled["verification"]["true_accept_rate"]
        <= 0.2
        < right["verification"]["true_accept_rate"]
    )
    assert shuffled["identity"] < 0.25 < right["identity"]
    # Their ages are as accurate as before: the combined accuracy needs both.
    assert shuffled["age_mae"] == pytest.approx(right["age_mae"])
    assert shuffled["age_identity_accuracy"] == 0 < right["age_identity_accuracy"]


def test_a_portrait_smaller_than_the_truth_is_not_penalised(crowd, world):
    task, *_ = crowd.truth
    large = drawn(int(task.source), TARGET, 0, 2 * SIZE)
    small = {task: at_side(large, SIZE)}
    one = replace(crowd, methods=[Method("made", small)], truth={task: large}, impostors=())
    evaluation = evaluate_methods(one, world.suite, Silence(), subject="made", device="cpu")
    report = evaluation.report
    assert (report["made"]["identity"], report["made"]["perceptual"]) == (1.0, 0.0)
    assert (report["evaluators"]["compared_at_px"], report["evaluators"]["shrunk"]) == (SIZE, True)
    # Beside it, what that size cost before: the pictures shown are as large as they were.
    measured = world.suite.measure([large, small[task]]).vectors["dlib 128-D"]
    assert np.linalg.norm(measured[0] - measured[1]) > 0.02
    (truth,) = (method for method in evaluation.methods if method.name == "truth")
    assert truth.portraits[task].shape == large.shape


def test_all_pictures_are_compared_at_the_smallest_side(crowd):
    (task, *_), (method,) = crowd.truth, crowd.methods
    assert crowd.side == SIZE
    wide = replace(method, portraits={t: at_side(p, 2 * SIZE) for t, p in method.portraits.items()})
    assert (
        replace(crowd, methods=[method, wide]).at_one_side().methods[1].portraits[task].shape[0]
        == SIZE
    )
    assert replace(crowd, methods=[wide]).side == SIZE
    assert replace(crowd, methods=[wide], truth={}).side == 2 * SIZE
    tiny = replace(crowd, truth={t: at_side(p, 48) for t, p in crowd.truth.items()}).at_one_side()
    assert {len(tiny.sources[task.source].face()), len(tiny.impostors[0])} == {48}
