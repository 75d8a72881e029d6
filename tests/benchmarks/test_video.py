"""What the benchmark of clips makes of its rows."""

import pytest
from video import BY_FRAME, SPREADS, pairs, summary

AS_CLIP = "toy, as a clip"
RATIOS = {"as it is": 1.0, "truth": 0.9, AS_CLIP: 1.0, f"toy{BY_FRAME}": 1.3}


@pytest.fixture
def rows():
    """Five people whose clips differ by what is theirs and by nothing else."""
    kinds = enumerate(RATIOS.items())
    return [
        {
            "clip": clip,
            "what": what,
            "ratio": ratio + clip,
            "identity": 0.3 + 0.1 * clip + 0.01 * number,
            **dict.fromkeys(SPREADS, 2.0 + number),
        }
        for number, (what, ratio) in kinds
        for clip in range(5)
    ]


def test_people_are_compared_with_themselves(rows):
    own = pairs(rows)[AS_CLIP]
    assert own["excess"] == pytest.approx((0.1, 0.1, 0.1))
    assert own["beyond_half"] == pytest.approx((-0.1, -0.1, -0.1))
    assert own["over_input"] == pytest.approx((0, 0, 0))
    assert own["identity"] == pytest.approx((-0.01, -0.01, -0.01))
    assert own["age_spread"] == pytest.approx((16 - 9,) * 3)
    assert pairs(rows)[f"toy{BY_FRAME}"]["excess"].mean == pytest.approx(0.4)


def test_means_are_over_people(rows):
    mean, low, high = summary(rows)[AS_CLIP]["ratio"]
    assert mean == pytest.approx(3.0)
    assert low < 2.5 < 3.5 < high
