import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.keys import check_keys

EXPECTED = {"a": (2, 3), "b": (), "noises.noise_0": (1, 1, 4, 4)}


@pytest.fixture
def state():
    return {key: torch.zeros(shape) for key, shape in EXPECTED.items()}


def test_a_state_that_fits_passes(state):
    check_keys(state, EXPECTED)


def test_optional_keys_may_be_missing_or_extra_but_not_misshapen(state):
    del state["noises.noise_0"]
    state["noises.noise_9"] = torch.zeros(1)
    check_keys(state, EXPECTED, optional=["noises.*"])
    state["noises.noise_0"] = torch.zeros(2)
    with pytest.raises(WeightsError, match="noises.noise_0 2 instead of 1x1x4x4"):
        check_keys(state, EXPECTED, optional=["noises.*"])


def test_everything_is_told_at_once(state):
    del state["b"]
    state |= {"c": torch.zeros(1), "a": torch.zeros(3, 2)}
    with pytest.raises(WeightsError) as error:
        check_keys(state, EXPECTED, what="`decoder`")
    assert str(error.value) == (
        "`decoder` does not fit the network: 1 missing (b); 1 unexpected (c); "
        "1 misshapen (a 3x2 instead of 2x3)"
    )
    assert error.value.exit_code == 4


def test_a_long_list_ends_in_a_count():
    with pytest.raises(WeightsError, match=r"30 missing \(k0, k1, .*, k7 and 22 more\)"):
        check_keys({}, {f"k{index}": (1,) for index in range(30)})
