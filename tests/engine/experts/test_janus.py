"""Janus-Pro through transformers: a tiny random model, and a tokenizer made here."""

import json

import numpy as np
import pytest
import torch

from engine.core.errors import TmError, WeightsError
from engine.experts.base import Faces
from engine.experts.janus_shape import memory_in, memory_of, published_memory
from engine.experts.kinds import janus as janus_module
from engine.experts.kinds.janus import UNKNOWN, JanusTable, closed_answers

transformers = pytest.importorskip("transformers")

TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image_placeholder>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)
SPECIAL = ("<pad>", "<unk>", "<bos>", "<eos>", "<image_placeholder>", "<boi>", "<eoi>")
QUESTION = "how old"


def tokenizer():
    """One token for each character, as DeepSeek's has one for each digit."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = [*"0123456789abcdefghijklmnopqrstuvwxyzU :"]
    words = {word: at for at, word in enumerate((*SPECIAL, *letters))}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.decoder = decoders.Fuse()
    made.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in SPECIAL])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        extra_special_tokens={
            "image_token": "<image_placeholder>",
            "boi_token": "<boi>",
            "eoi_token": "<eoi>",
        },
    )


def config():
    from transformers import JanusConfig, LlamaConfig
    from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig

    text = LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=64, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    vision = JanusVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=14,
        num_image_tokens=4, projection_dim=32, mlp_ratio=2.0, depth=2,
    )  # fmt: skip
    pictures = JanusVQVAEConfig(
        embed_dim=8, num_embeddings=16, base_channels=32, channel_multiplier=[1, 1],
        latent_channels=32, num_res_blocks=1, projection_dim=32, image_token_embed_dim=32,
    )  # fmt: skip
    return JanusConfig(
        text_config=text, vision_config=vision, vq_config=pictures, image_token_id=4,
        tie_word_embeddings=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a Janus-Pro, tiny."""
    from transformers import JanusForConditionalGeneration, JanusProcessor
    from transformers.models.janus.image_processing_janus import JanusImageProcessor

    place = tmp_path_factory.mktemp("janus")
    torch.manual_seed(0)
    JanusForConditionalGeneration(config()).save_pretrained(place)
    processor = JanusProcessor(
        JanusImageProcessor(size={"height": 28, "width": 28}),
        tokenizer(),
        chat_template=TEMPLATE,
        num_image_tokens=4,
    )
    processor.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def expert(folder):
    return JanusTable(weights=str(folder), batch=2, question=QUESTION).load(torch.device("cpu"))


@pytest.fixture(scope="module")
def faces():
    draw = np.random.default_rng(0)
    return Faces([draw.integers(0, 256, (40, 40, 3), np.uint8) for _ in range(3)])


def test_every_face_has_an_age_within_the_scored_ones(expert, faces):
    told = expert.answer(faces)
    assert told.years.shape == (3,)
    assert ((told.years >= 0) & (told.years <= 100)).all()
    assert ((told.confidence >= 0) & (told.confidence <= 1)).all()


def test_probabilities_over_the_answers_sum_to_one_and_need_no_cache_to_be_right(expert, faces):
    inputs = expert._inputs(faces.faces[:2])
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


def test_a_face_is_told_alike_alone_and_in_a_batch(expert, faces):
    together, alone = expert.answer(faces), expert.answer(Faces([faces.faces[2]]))
    torch.testing.assert_close(together.years[2:], alone.years, rtol=1e-4, atol=1e-3)


def test_unknown_is_silence_and_never_0(expert, faces, monkeypatch):
    def unsure(self, following):
        found = torch.zeros(1, 103, dtype=torch.float64)
        found[:, 0], found[:, UNKNOWN] = 0.4, 0.6
        return found

    monkeypatch.setattr(type(expert.answers), "probabilities", unsure)
    told = expert.answer(Faces([faces.faces[0]]))
    assert told.years.isnan().all()
    assert told.confidence.isnan().all()


def test_asked_in_words_it_is_silent_unless_it_writes_an_age(folder, faces, monkeypatch):
    table = JanusTable(weights=str(folder), ask="words", question=QUESTION)
    expert = table.load(torch.device("cpu"))
    assert expert.answer(faces).years.shape == (3,)
    said = iter([["34", "unknown", "30-40"]])
    monkeypatch.setattr(
        type(expert.processor.tokenizer), "batch_decode", lambda *_, **__: next(said)
    )
    told = expert.answer(faces)
    assert told.years.nan_to_num(-1).tolist() == [34, -1, 35]
    assert told.confidence[2] < told.confidence[0]


def test_the_answers_are_101_ages_and_unknown_as_the_tokenizer_writes_them():
    answers = closed_answers(tokenizer())
    assert answers.count == 102
    # Prompt and a space; behind each nine digits and `10`; and six letters of `unknown`, four ways.
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


def test_the_memory_told_from_a_configuration_is_that_of_the_model(folder):
    from transformers import JanusForConditionalGeneration

    with torch.device("meta"):
        net = JanusForConditionalGeneration(config())
    parts = (net.model.language_model, net.lm_head, net.model.vision_model, net.model.aligner)
    held = sum(p.numel() for part in parts for p in part.parameters())
    assert memory_of(json.loads((folder / "config.json").read_text())).parameters == held
    assert memory_in(folder).parameters == held


def test_the_published_models_take_what_is_known_of_them():
    small, large = published_memory("janus-pro-1b"), published_memory("janus-pro-7b")
    # `specs/agetransformer.md` 4: vision 304M; checkpoints of 4.18 and 14.84 GB in bfloat16.
    assert 3.5e9 < small.bytes(0) < 4.18e9
    assert 14e9 < large.bytes(0) < 14.84e9
    assert large.bytes(8) > large.bytes(1) > large.bytes(0)
