import json

import pytest
import torch

from engine.banks.bank import sorted_bank
from engine.banks.people import people_in, require_impostors, warnings_of
from engine.core.errors import InputError


@pytest.fixture
def album(tmp_path):
    """Photos of two people, one of them dropped by a filter."""
    rows = [
        {"output": "30_1.png", "status": "done", "person": "900001"},
        {"output": "31_2.png", "status": "done", "person": "7", "verdict": "drop"},
        {"output": None, "status": "failed", "person": "8"},
    ]
    lines = [json.dumps({"source": f"{i}.jpg", **row}) for i, row in enumerate(rows)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def bank(*people):
    rows = torch.nn.functional.normalize(torch.ones(2, 4), dim=1)
    facts = {"people": list(people)}
    ages = torch.tensor([20.0, 30.0])
    return sorted_bank(rows, ages, (), embedder="x", digest=None, facts=facts)


def test_the_people_of_a_folder_are_those_of_its_usable_photos(album):
    assert people_in(album) == {"900001"}
    assert people_in(album / "nowhere") == set()


def test_a_person_of_the_photos_is_refused(album):
    require_impostors(bank("450000", "7", "8"), album)
    with pytest.raises(InputError, match="holds person 900001 of"):
        require_impostors(bank("450000", "900001"), album)


def test_people_of_the_training_set_give_a_warning():
    (warning,) = warnings_of(bank("199999", "200000", "450000", "Ada"))
    assert "person 199999 of the prior's training set" in warning


def test_people_of_the_test_set_give_a_warning():
    (warning,) = warnings_of(bank("450000", "899999", "900000"))
    assert "person 900000 of the test set" in warning


def test_impostors_and_real_people_give_no_warning():
    assert warnings_of(bank("450000", "459999", "Ada", "12 b")) == []
    assert (
        warnings_of(sorted_bank(torch.ones(1, 1), torch.ones(1), (), embedder="x", digest=None))
        == []
    )
