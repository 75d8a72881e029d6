"""HTML of the page: what is not ours is text."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

from engine.page.markup import before_after, estimates, facts, notes, saved

BAD = "<script>x</script>\"'&"


def test_names_and_reasons_are_escaped():
    made = [
        notes([BAD]),
        facts({BAD: BAD}),
        saved(Path(f"/made/{BAD}.png"), BAD),
        before_after(*[np.zeros((4, 6, 3), np.uint8)] * 2, BAD, {"made": BAD}),
    ]
    for html in made:
        assert "<script" not in html
    assert 'href="/gradio_api/file=/made/%3Cscript%3Ex%3C/script%3E%22%27%26.png?save"' in made[2]


def test_estimates_name_their_evaluators():
    row = {"predicted_age": 57.4, "age_by": "age-cc0", "identity": 0.456, "identity_by": "dlib"}
    assert estimates(row)["looks"] == "57 (estimated by age-cc0)"
    assert estimates(row)["identity"].startswith("0.46 by dlib")
    assert estimates({"predicted_age": None, "identity": None}) == {}
