"""Weights that are not numbers are refused when a network asks for them, whatever the format."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.load import read_checkpoint, read_content
from engine.weights.native import save_native

BAD = [float("nan"), float("inf"), float("-inf")]


def native(tensor, key="w", latent=None):
    return Checkpoint("native", {"identity": {key: tensor, "n": torch.tensor(3)}}, latent)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_one_bad_number_in_a_file_of_ours_is_named(tmp_path, bad, dtype):
    tensor = torch.zeros(70, 70, dtype=dtype)
    tensor[50, 3] = bad
    save_native(tmp_path / "a.safetensors", native(tensor))
    with pytest.raises(WeightsError, match=r"`identity\.w` holds numbers"):
        read_checkpoint(tmp_path / "a.safetensors").part("identity")


def test_a_bad_average_latent_is_refused(tmp_path):
    save_native(tmp_path / "a.safetensors", native(torch.ones(3), latent=torch.tensor([BAD[0]])))
    with pytest.raises(WeightsError, match="`latent_avg`"):
        read_checkpoint(tmp_path / "a.safetensors").part("identity")


def test_published_formats_are_checked_too(monkeypatch):
    class Published:
        slow = True

        @staticmethod
        def detect(table):
            return "toy" in table

        @staticmethod
        def read(table, *, ema):
            return native(table["toy"])

    monkeypatch.setattr("engine.weights.load.FORMATS", {"toy": Published})
    assert read_content({"toy": torch.ones(2)}).parts
    with pytest.raises(WeightsError, match="not finite"):
        read_content({"toy": torch.tensor([1.0, BAD[1]])}).part("identity")


def test_large_but_finite_numbers_and_masks_of_minus_infinity_pass(tmp_path):
    large = torch.full((100, 100), 6e4, dtype=torch.float16)
    save_native(tmp_path / "a.safetensors", native(large))
    save_native(tmp_path / "b.safetensors", native(torch.full((3, 3), BAD[2]), key="attn_mask"))
    read_checkpoint(tmp_path / "a.safetensors").part("identity")
    read_checkpoint(tmp_path / "b.safetensors").part("identity")
