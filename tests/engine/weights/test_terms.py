"""`licences = "permissive"` accepts a file by its card, its manifest entry, or its prior's."""

import os

import pytest
import torch

from engine.config.load import load_recipe
from engine.core.errors import MissingWeightsError, UsageError, WeightsError
from engine.core.licences import LICENCES, LicenceError, licensed
from engine.faces.files import CNN_DETECTOR, POINTS_68, dlib_file
from engine.training.launch import build_task
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import shipped_weights
from engine.weights.load import read_checkpoint
from engine.weights.native import save_native
from engine.weights.terms import IMPORTED, require_terms

MADE = {"made_by": IMPORTED}


@pytest.mark.parametrize(
    ("name", "card", "facts", "refused"),
    [
        ("own", {}, {}, None),
        ("own", {"licence": "CC0-1.0"}, {"prior": {"name": "nano"}}, None),
        ("own", {"licence": "not known to tm"}, {}, "not known"),
        ("own", {}, {"prior": {"name": "sam"}}, "built on `sam`"),
        ("adaface", MADE | {"licence": "MIT"}, {}, "MIT"),
        ("janus-pro-1b", MADE | {"licence": "MIT"}, {}, None),
    ],
)
def test_a_file_of_our_format_has_the_terms_of_its_card_and_of_its_prior(
    tmp_path, name, card, facts, refused
):
    path = tmp_path / f"{name}.safetensors"
    parts = {"generator": {"a": torch.zeros(1)}}
    save_native(path, Checkpoint("native", parts, facts=facts, card=card))
    require_terms(path)
    with licensed("permissive"):
        if refused is None:
            assert read_checkpoint(path).parts
        else:
            with pytest.raises(LicenceError, match=refused):
                read_checkpoint(path)


def test_a_run_has_the_terms_of_the_file_it_began_with(tmp_path):
    prior, run = tmp_path / "prior.safetensors", tmp_path / "run.safetensors"
    parts = {"generator": {"a": torch.zeros(1)}}
    save_native(prior, Checkpoint("native", parts, card={"licence": "none stated"}))
    facts = {"prior": {"name": "runs/prior", "path": str(prior)}}
    save_native(run, Checkpoint("native", parts, facts=facts))
    with licensed("permissive"), pytest.raises(LicenceError, match="built on `prior.safetensors`"):
        require_terms(run)


def test_published_files_go_by_their_names_and_others_are_unknown(tmp_path):
    for name in ("shape_predictor_68_face_landmarks.dat", "unheard-of.pt"):
        (tmp_path / name).write_bytes(b"\x80tensors")
        with licensed("permissive"), pytest.raises(LicenceError, match="not permissively licensed"):
            require_terms(tmp_path / name)


def test_everything_in_the_package_is_permissive_and_dlibs_points_are_not():
    with licensed("permissive"):
        for path in shipped_weights().values():
            require_terms(path)
        assert dlib_file(CNN_DETECTOR).is_file()
        with pytest.raises(LicenceError, match="iBUG") as caught:
            dlib_file(POINTS_68)
    assert "--landmarks mesh" in caught.value.hint
    assert isinstance(caught.value, MissingWeightsError)


def test_the_environment_decides_for_all_commands_and_its_value_returns(monkeypatch):
    monkeypatch.setenv(LICENCES, "permissive")
    with licensed("any"), pytest.raises(LicenceError):
        dlib_file(POINTS_68)
    with licensed("permissive"):
        pass
    assert os.environ[LICENCES] == "permissive"
    monkeypatch.setenv(LICENCES, "free")
    with pytest.raises(UsageError, match="not `free`"):
        dlib_file(POINTS_68)


def test_a_training_refuses_what_its_recipe_does_not_accept(tmp_path):
    path = tmp_path / "generator.safetensors"
    parts = {"decoder": {"a": torch.zeros(1)}}
    save_native(path, Checkpoint("native", parts, card={"licence": "none stated"}))
    settings = ["licences=permissive", f"networks.generator='{path}'"]
    with pytest.raises(WeightsError, match="not permissively licensed"):
        build_task(load_recipe("nano/prior", settings))
    assert LICENCES not in os.environ
