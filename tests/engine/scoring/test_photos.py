"""Photographs: their evaluators on real faces."""

from dataclasses import replace
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import cbook
from PIL import Image, ImageEnhance
from skimage import data

from engine.data.faces import FaceSource
from engine.evaluators import drawn
from engine.evaluators.suite import NO_LPIPS, EvaluatorSuite
from engine.faces.choose import FaceChoice
from engine.faces.descriptor import describe_aligned
from engine.images.saving import save_png
from engine.inference.subject import find_subject
from engine.scoring.material import Source

SHARED = Path(__file__).parents[4] / "shared"


def variants(picture):
    """Five mild changes of a photo."""
    width, height = picture.size
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return [
        picture.crop((width // 50, height // 50, width - width // 50, height - height // 50)),
        Image.open(buffer).convert("RGB"),
        ImageEnhance.Brightness(picture).enhance(1.25),
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        picture.resize((width * 3 // 4, height * 3 // 4), Image.Resampling.LANCZOS),
    ]


def photographs():
    """Public-domain photos of people that libraries bring along, and one more where it is here."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    photos = {"astronaut": Image.fromarray(data.astronaut()), "hopper": hopper}
    mother = SHARED / "photos" / "migrant_mother_1936.jpg"
    if mother.is_file():
        photos["mother"] = Image.open(mother).convert("RGB")
    return photos


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two or three people, each as a photo and five variants of it, their faces aligned."""
    folder = tmp_path_factory.mktemp("people")
    sources = {}
    for name, photo in photographs().items():
        photo.thumbnail((600, 600))
        for number, one in enumerate([photo, *variants(photo)]):
            path = folder / f"{name}_{number}.png"
            save_png(path, np.asarray(one), {})
            subject = find_subject(path, FaceChoice(), FaceSource())
            sources.setdefault(name, []).append(Source(subject))
    return sources


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        return EvaluatorSuite("photos", torch.device("cpu"))


def test_variants_of_a_photo_are_one_person_and_two_people_are_two(people, suite):
    evaluator = suite.identity
    vectors = {
        name: suite.measure([source.face(256) for source in own]).vectors[evaluator.name]
        for name, own in people.items()
    }
    same = [evaluator.similarity(own[:1].repeat(5, 0), own[1:]) for own in vectors.values()]
    different = [
        evaluator.similarity(np.broadcast_to(row, other.shape), other)
        for one, other in combinations(vectors.values(), 2)
        for row in one
    ]
    # Not only on either side of the limit: the farthest variant is within half of it.
    assert np.min(same) > 0.5 * evaluator.threshold
    assert evaluator.threshold > np.max(different)
    assert evaluator.name == "dlib 128-D"


def domain_of(sources):
    return drawn.domain_of(*(describe_aligned(source.face(256)) for source in sources))


def test_photographs_are_classified_apart_from_drawn_portraits(people, world):
    assert domain_of([own[0] for own in people.values()]) == "photos"
    assert domain_of(world.known.sources.values()) == "portraits"


def test_without_weights_figures_of_photographs_are_null_with_the_reason(suite):
    assert (suite.perceptual, suite.why_no_perceptual, suite.extractor) == (None, NO_LPIPS, None)


def test_a_photo_is_evaluated_without_an_age_evaluator(people, suite):
    from engine.core.progress import Silence
    from engine.scoring.evaluate import evaluate_methods
    from engine.scoring.material import Material, Method, Task
    from engine.scoring.page import page

    source = replace(people["hopper"][0], age=32.0)
    made = {Task(source.key, age): people["hopper"][1].face(256) for age in (32.0, 60.0)}
    material = Material("photos", {source.key: source}, [Method("aged", made)])
    evaluation = evaluate_methods(material, suite, Silence(), subject="aged", device="cpu")
    assert evaluation.report["aged"]["identity"] > 0.5
    assert evaluation.report["aged"]["age_mae"] is None
    assert "mivolo" in evaluation.report["aged"]["null"]["age_identity_accuracy"]
    assert "mivolo" in page(evaluation, "tm eval", "tm 1")
