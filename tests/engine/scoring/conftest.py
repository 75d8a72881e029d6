"""One person in two photographs at three ages, rendered, and methods of known quality."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.core.digest import file_sha256
from engine.core.progress import Silence
from engine.evaluators.suite import EvaluatorSuite
from engine.geometry.ffhq import Quad
from engine.images.ranges import to_pixels, to_tensor
from engine.images.saving import save_png
from engine.inference.subject import Subject
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.material import Material, Method, PersonPhotos, Source, Task
from engine.worlds.portraits import identity, render, scene
from engine.worlds.portraits.seeds import scene_seed

PERSON, IMPOSTOR, SIZE = 902_100, 902_101, 128
AGES, OWN = (25.0, 45.0, 70.0), (25.0, 45.0)


def drawn(person, age, number, scene_of=PERSON):
    return render(identity(person), age, scene(scene_seed(scene_of, number)), SIZE).picture


def blurred(pixels):
    bell = torch.exp(-(torch.arange(-4, 5.0) ** 2) / 4.5)
    bell = (bell / bell.sum()).expand(3, 1, -1)
    x = F.pad(to_tensor(pixels), (4,) * 4, mode="reflect")
    x = F.conv2d(F.conv2d(x, bell[..., None], groups=3), bell[..., None, :], groups=3)
    return to_pixels(x)


@dataclass(frozen=True)
class Drawn:
    """Material with the truth, and without it."""

    known: Material
    unknown: Material
    suite: EvaluatorSuite


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_WEIGHTS", str(folder / "weights"))
        suite = EvaluatorSuite("portraits", torch.device("cpu"))
    sources, truth, impostors = {}, {}, {}
    for number, age in enumerate(OWN):
        path = folder / f"{age:g}_{number}.png"
        save_png(path, drawn(PERSON, age, number), {})
        key = file_sha256(path)
        photo = Subject(path, key, drawn(PERSON, age, number), Quad.frame(SIZE, SIZE))
        sources[key] = Source(photo, age, str(PERSON))
        for target in AGES:
            truth[Task(key, target)] = drawn(PERSON, target, number)
            impostors[Task(key, target)] = drawn(IMPOSTOR, target, number)
    copies = {task: sources[task.source].face(SIZE) for task in truth}
    methods = [
        Method("perfect", truth),
        Method("blurred", {task: blurred(pixels) for task, pixels in truth.items()}),
        Method("impostor", impostors),
        Method("copy", copies),
    ]
    photos = PersonPhotos(
        pictures=[drawn(PERSON, age, 7) for age in (22, 45)],
        ages=np.array([22.0, 45.0]),
        names=["22_7.png", "45_8.png"],
        digests=["a", "b"],
        train=np.array([True, True]),
    )
    others = [drawn(IMPOSTOR + n, 45, 9, IMPOSTOR + n) for n in range(4)]
    known = Material("known", sources, methods, truth, photos, others)
    return Drawn(known, replace(known, methods=[methods[3]], truth={}, photos=None), suite)


@pytest.fixture(scope="session")
def evaluation(world):
    """Every method, with the truth."""
    return evaluate_methods(world.known, world.suite, Silence(), subject=None, device="cpu")


@pytest.fixture(scope="session")
def without_truth(world):
    """The copied photo, without truth or other photos."""
    return evaluate_methods(world.unknown, world.suite, Silence(), subject="copy", device="cpu")
