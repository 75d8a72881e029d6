"""Which photograph is the truth of which photo."""

import pytest

from engine.core.errors import InputError
from engine.core.progress import Silence
from engine.prep.synth import SynthPlan, parse_ages, synthesise
from engine.scoring.facts import KnownFacts
from engine.scoring.material import Source, Task
from engine.scoring.results import read_photos_of_person
from engine.scoring.truth import read_photographs, with_truth


def photographs(folder, people, *, same_scene=True):
    ages, _ = parse_ages("30..60")
    plan = SynthPlan(folder, people, 2, ages=ages, size=32, seed=902_400, same_scene=same_scene)
    synthesise(plan, workers=1, progress=Silence())
    return folder


def source_of(path):
    from engine.data.faces import FaceSource
    from engine.inference.subject import aligned_subject

    return Source(aligned_subject(path, FaceSource(), trusted=True), KnownFacts().of(path).age)


def test_each_photo_has_its_own_photograph(tmp_path):
    folder = photographs(tmp_path, 2)
    sources = [source_of(folder / f"90240{n}" / "30_0.png") for n in (0, 1)]
    keyed = {source.key: source for source in sources}
    tasks = [Task(source.key, 60.3) for source in sources]
    named, truth = with_truth(keyed, read_photographs(folder), tasks)
    assert [named[s.key].person for s in sources] == ["902400", "902401"]
    for n, task in enumerate(tasks):
        expected = source_of(folder / f"90240{n}" / "60_1.png").face(32)
        assert (truth[task] == expected).all()


def test_an_age_that_was_not_rendered_has_no_truth(tmp_path):
    folder = photographs(tmp_path, 1)
    source = source_of(folder / "902400" / "30_0.png")
    tasks = [Task(source.key, 45.0)]
    with pytest.raises(InputError, match="no picture of any photo at any target age"):
        with_truth({source.key: source}, read_photographs(folder), tasks)


def test_pictures_of_different_scenes_are_no_single_truth(tmp_path):
    folder = photographs(tmp_path, 1, same_scene=False)
    assert len(read_photographs(folder)) == 2


def test_photos_of_a_person_have_the_training_span(tmp_path):
    photos = read_photos_of_person(photographs(tmp_path, 1, same_scene=False))
    assert (photos.span, photos.extrapolation(70), photos.extrapolation(40)) == (
        (30.0, 60.0),
        10.0,
        0.0,
    )
    assert photos.nearest(50) == 1
    assert photos.around(44) == [0]
    assert photos.around(44, without={photos.digests[0]}) == [1]
