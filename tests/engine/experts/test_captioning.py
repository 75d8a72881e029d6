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
        table.load(torch.device("cpu")), Captioning(question="what is seen", max_tokens=9)
    )


@pytest.fixture(scope="module")
def faces():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (28, 28, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def captioned(captioner, faces):
    return captioner.caption(faces)


def test_every_face_gets_a_caption_and_two_embeddings(captioned):
    assert len(captioned.captions) == len(captioned.ages) == 3
    assert all(isinstance(text, str) for text in (*captioned.captions, *captioned.ages))
    assert captioned.image.shape == captioned.text.shape == (3, 32)
    assert captioned.image.isfinite().all()
    assert not torch.equal(captioned.image[0], captioned.image[1])


@torch.inference_mode()
def test_the_image_embedding_is_the_mean_input_of_the_language_model(captioner, faces, captioned):
    # 28 px is the tower's own side, so nothing is resized.
    pixels = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2) / 255
    processor, model = captioner.expert.processor.image_processor, captioner.expert.net.model
    mean, std = (
        torch.tensor(one)[:, None, None] for one in (processor.image_mean, processor.image_std)
    )
    pixels = (pixels - mean) / std
    wanted = model.get_image_features(pixels).pooler_output.mean(dim=1)
    torch.testing.assert_close(captioned.image, wanted, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_text_embedding_is_the_mean_of_the_last_states_without_bos(captioner):
    tokenizer, model = captioner.expert.processor.tokenizer, captioner.expert.net.model
    together = captioner._embed_text(["a woman of 30", "old", ""])
    for row, caption in enumerate(["a woman of 30", "old"]):
        tokens = [tokenizer.bos_token_id, *tokenizer.encode(caption, add_special_tokens=False)]
        states = model.language_model(input_ids=torch.tensor([tokens])).last_hidden_state
        torch.testing.assert_close(together[row], states[0, 1:].mean(dim=0), rtol=1e-4, atol=1e-5)
    assert not together[2].any()


def test_a_caption_does_not_depend_on_the_batch(captioner, faces, captioned):
    alone = captioner.caption(faces[1:2])
    assert alone.captions == captioned.captions[1:2]
    torch.testing.assert_close(alone.image, captioned.image[1:2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.text, captioned.text[1:2], rtol=1e-4, atol=1e-5)


def test_the_maker_is_the_model_its_prompts_and_preprocessing(captioner, tiny_janus):
    maker = captioner.maker
    assert maker.model_id == tiny_janus.name
    assert maker.revision == captioner.expert.digest
    assert maker.d == 32
    other = JanusCaptioner(
        captioner.expert, Captioning(question="what is worn", max_tokens=9)
    ).maker
    assert other.prompt_id != maker.prompt_id
    assert other.preprocessing == maker.preprocessing
