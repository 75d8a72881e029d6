"""What a name means: a run, a file, the package, or the weights folder."""

import pytest
import torch

from engine.core.errors import UsageError
from engine.weights import find
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native


def test_published_weights_go_before_small_ones_of_their_name(tmp_path, monkeypatch):
    small, folder = tmp_path / "small.safetensors", tmp_path / "weights"
    folder.mkdir()
    for path in (small, folder / "agetransformer.safetensors", folder / "mine.safetensors"):
        save_native(path, Checkpoint("native", {"generator": {"a": torch.zeros(1)}}))
    shipped = {"agetransformer": small, "mine": small}
    monkeypatch.setattr(find, "shipped_weights", lambda: shipped)
    assert find.find_weights("agetransformer") == folder / "agetransformer.safetensors"
    assert find.find_weights("mine") == small
    (folder / "agetransformer.safetensors").unlink()
    assert find.find_weights("agetransformer") == small


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_folder_that_one_stands_in(name):
    with pytest.raises(UsageError, match="empty"):
        find.find_weights(name)
