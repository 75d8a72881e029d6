"""Captions and embeddings by a tiny random Janus-Pro."""

import numpy as np
import pytest
import torch

from engine.experts.captioning import Captioning, JanusCaptioner
from engine.experts.kinds.janus import JanusTable


@pytest.fixture(scope="module")
def captioner(tiny_janus):
    table = JanusTable(weights=str(tiny_janus), batch=2, question="how old")
    return JanusCaptioner(
        table.load(torch.device("cpu")), Captioning(question="what is seen", words=9)
    )


@pytest.fixture(scope="module")
def faces():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (28, 28, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def told(captioner, faces):
    return captioner.caption(faces)


def test_every_face_gets_words_and_two_vectors(told):
    assert len(told.captions) == len(told.ages) == 3
    assert all(isinstance(text, str) for text in (*told.captions, *told.ages))
    assert told.image.shape == told.text.shape == (3, 32)
    assert told.image.isfinite().all()
    assert not torch.equal(told.image[0], told.image[1])


@torch.inference_mode()
def test_the_picture_is_the_mean_of_what_the_language_model_is_shown_of_it(captioner, faces, told):
    # 28 px is the tower's own side, so nothing is resized.
    pixels = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2) / 255
    seen, model = captioner.expert.processor.image_processor, captioner.expert.net.model
    mean, std = (torch.tensor(one)[:, None, None] for one in (seen.image_mean, seen.image_std))
    pixels = (pixels - mean) / std
    wanted = model.get_image_features(pixels).pooler_output.mean(dim=1)
    torch.testing.assert_close(told.image, wanted, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_words_are_the_mean_of_their_last_states_without_the_token_of_every_text(captioner):
    tokenizer, model = captioner.expert.processor.tokenizer, captioner.expert.net.model
    together = captioner._read(["a woman of 30", "old", ""])
    for row, caption in enumerate(["a woman of 30", "old"]):
        tokens = [tokenizer.bos_token_id, *tokenizer.encode(caption, add_special_tokens=False)]
        states = model.language_model(input_ids=torch.tensor([tokens])).last_hidden_state
        torch.testing.assert_close(together[row], states[0, 1:].mean(dim=0), rtol=1e-4, atol=1e-5)
    assert not together[2].any()


def test_a_face_is_told_alike_alone_and_in_a_batch(captioner, faces, told):
    alone = captioner.caption(faces[1:2])
    assert alone.captions == told.captions[1:2]
    torch.testing.assert_close(alone.image, told.image[1:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.text, told.text[1:2], rtol=1e-4, atol=1e-5)


def test_the_maker_is_the_model_its_prompts_and_what_it_sees(captioner, tiny_janus):
    maker = captioner.maker
    assert maker.model_id == tiny_janus.name
    assert maker.revision == captioner.expert.digest
    assert maker.d == 32
    other = JanusCaptioner(captioner.expert, Captioning(question="what is worn", words=9)).maker
    assert other.prompt_id != maker.prompt_id
    assert other.preprocessing == maker.preprocessing
