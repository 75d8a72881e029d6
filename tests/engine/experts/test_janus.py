"""Janus-Pro through transformers: a tiny random model, and a tokenizer made here."""

import json

import numpy as np
import pytest
import tiny_janus as tiny
import torch

from engine.core.errors import TmError, WeightsError
from engine.experts.base import Faces
from engine.experts.janus_shape import memory_in, memory_of, published_memory
from engine.experts.kinds import janus as janus_module
from engine.experts.kinds.janus import UNKNOWN, JanusTable, closed_answers

pytest.importorskip("transformers")

QUESTION = "how old"


@pytest.fixture
def folder(tiny_janus):
    return tiny_janus


@pytest.fixture(scope="module")
def expert(tiny_janus):
    return JanusTable(weights=str(tiny_janus), batch=2, question=QUESTION).load(torch.device("cpu"))


@pytest.fixture(scope="module")
def faces():
    draw = np.random.default_rng(0)
    return Faces([draw.integers(0, 256, (40, 40, 3), np.uint8) for _ in range(3)])


def test_every_face_has_an_age_within_the_scored_ones(expert, faces):
    ages = expert.predict(faces)
    assert ages.years.shape == (3,)
    assert ((ages.years >= 0) & (ages.years <= 100)).all()
    assert ((ages.confidence >= 0) & (ages.confidence <= 1)).all()


def test_probabilities_over_the_answers_sum_to_one_and_need_no_cache_to_be_right(expert, faces):
    inputs = expert.prompt(faces.faces[:2], QUESTION)
    cached = expert.answers.probabilities(janus_module._Cached(expert.net, inputs))
    torch.testing.assert_close(cached.sum(dim=1), torch.ones(2, dtype=torch.float64))

    def whole(prefix):
        """The same question with the prefix written behind it, read from the beginning."""
        added = torch.tensor(list(prefix), dtype=torch.long).expand(2, len(prefix))
        ids = torch.cat([inputs["input_ids"], added], dim=1)
        out = expert.net(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=inputs["pixel_values"],
        )
        return out.logits[:, -1].float().log_softmax(dim=1)

    with torch.inference_mode():
        torch.testing.assert_close(
            cached, expert.answers.probabilities(whole), rtol=1e-3, atol=1e-6
        )


def test_a_prediction_does_not_depend_on_the_batch(expert, faces):
    together, alone = expert.predict(faces), expert.predict(Faces([faces.faces[2]]))
    torch.testing.assert_close(together.years[2:], alone.years, rtol=1e-4, atol=1e-3)


def test_unknown_is_no_prediction_and_never_0(expert, faces, monkeypatch):
    def unsure(self, following):
        shares = torch.zeros(1, 103, dtype=torch.float64)
        shares[:, 0], shares[:, UNKNOWN] = 0.4, 0.6
        return shares

    monkeypatch.setattr(type(expert.answers), "probabilities", unsure)
    ages = expert.predict(Faces([faces.faces[0]]))
    assert ages.years.isnan().all()
    assert ages.confidence.isnan().all()


def test_greedy_decoding_predicts_nothing_without_an_age(folder, faces, monkeypatch):
    table = JanusTable(weights=str(folder), decoding="greedy", question=QUESTION)
    expert = table.load(torch.device("cpu"))
    assert expert.predict(faces).years.shape == (3,)
    texts = iter([["34", "unknown", "30-40"]])
    monkeypatch.setattr(
        type(expert.processor.tokenizer), "batch_decode", lambda *_, **__: next(texts)
    )
    ages = expert.predict(faces)
    assert ages.years.nan_to_num(-1).tolist() == [34, -1, 35]
    assert ages.confidence[2] < ages.confidence[0]


def test_the_answers_are_101_ages_and_unknown_as_the_tokenizer_writes_them():
    answers = closed_answers(tiny.tokenizer())
    assert answers.count == 102
    # Prompt and a space; behind each nine digits and `10`; six letters of `unknown`, four times.
    assert answers.steps == 2 + 2 * (9 + 1) + 4 * 6


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WeightsError, match="is no Janus-Pro"):
        JanusTable(weights=str(tmp_path)).load(torch.device("cpu"))


def test_without_transformers_the_extra_is_named(folder, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(janus_module, "import_module", absent)
    with pytest.raises(TmError, match="`transformers` is not installed") as error:
        JanusTable(weights=str(folder)).load(torch.device("cpu"))
    assert "vlm" in error.value.hint


def test_the_memory_by_configuration_is_that_of_the_model(folder):
    from transformers import JanusForConditionalGeneration

    with torch.device("meta"):
        net = JanusForConditionalGeneration(tiny.config())
    parts = (net.model.language_model, net.lm_head, net.model.vision_model, net.model.aligner)
    held = sum(p.numel() for part in parts for p in part.parameters())
    assert memory_of(json.loads((folder / "config.json").read_text())).parameters == held
    assert memory_in(folder).parameters == held


def test_the_published_models_need_the_known_memory():
    small, large = published_memory("janus-pro-1b"), published_memory("janus-pro-7b")
    # Chen et al. 2025: vision 304M; the checkpoints are 4.18 and 14.84 GB in bfloat16.
    assert 3.5e9 < small.bytes(0) < 4.18e9
    assert 14e9 < large.bytes(0) < 14.84e9
    assert large.bytes(8) > large.bytes(1) > large.bytes(0)
