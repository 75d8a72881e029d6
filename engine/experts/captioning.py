"""Captions of faces, with embeddings of picture and caption, by a vision-language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import Field
from torch import Tensor

from engine.core.digest import settings_digest
from engine.core.table import Table
from engine.data.captions import Maker
from engine.experts.base import Pixels
from engine.experts.kinds.janus import MAX_TOKENS, JanusExpert

QUESTION = (
    "Describe this face in one sentence: apparent age, hair, skin, expression, light, "
    "and what is worn."
)


class Captioning(Table):
    """The prompt of the captions."""

    question: str = Field(default=QUESTION, min_length=1)
    max_tokens: int = Field(default=64, ge=1)
    """Tokens of a caption at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """Of b faces: the caption, the answer to the question for the age, and two embeddings."""

    captions: tuple[str, ...]
    ages: tuple[str, ...]
    image: Tensor
    text: Tensor
    """Of the picture and of the caption, (b, d) float32 each."""


class Captioner(Protocol):
    """Writes captions."""

    @property
    def maker(self) -> Maker:
        """The model, its prompts and its preprocessing."""
        ...

    def caption(self, faces: Sequence[Pixels]) -> Captioned:
        """Caption and embed aligned faces, uint8 RGB (s, s, 3)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class JanusCaptioner:
    """Janus-Pro, loaded once for ages and captions.

    image: the mean over the patches of the vision tower's features behind the aligner, which have
    the width d of the language model; text: the mean of the language model's last hidden states
    over the caption's tokens alone, without that of the BOS token, which is large and constant.
    """

    expert: JanusExpert
    prompt: Captioning

    @property
    def maker(self) -> Maker:
        expert, table = self.expert, self.expert.table
        given = Path(table.weights).expanduser()
        processor = expert.processor.image_processor
        preprocessing = {
            "side": int(expert.net.config.vision_config.image_size),
            "mean": [float(value) for value in processor.image_mean],
            "std": [float(value) for value in processor.image_std],
        }
        prompt = {
            "question": self.prompt.question,
            "words": self.prompt.max_tokens,
            "age": table.question,
            "age_words": MAX_TOKENS,
        }
        return Maker(
            model_id=given.name if given.is_dir() else table.weights,
            revision=expert.digest,
            prompt_id=settings_digest(prompt),
            preprocessing=settings_digest(preprocessing),
            d=int(expert.net.config.text_config.hidden_size),
        )

    @torch.inference_mode()
    def caption(self, faces: Sequence[Pixels]) -> Captioned:
        size = self.expert.table.batch
        parts = [self._batch(faces[at : at + size]) for at in range(0, len(faces), size)]
        return Captioned(
            tuple(caption for one in parts for caption in one.captions),
            tuple(age for one in parts for age in one.ages),
            torch.cat([one.image for one in parts]),
            torch.cat([one.text for one in parts]),
        )

    def _batch(self, faces: Sequence[Pixels]) -> Captioned:
        expert = self.expert
        inputs = expert.prompt(faces, self.prompt.question)
        captions = self._generate(inputs, self.prompt.max_tokens)
        ages = self._generate(expert.prompt(faces, expert.table.question), MAX_TOKENS)
        image = self._embed_image(inputs["pixel_values"])
        return Captioned(captions, ages, image, self._embed_text(captions))

    def _generate(self, inputs: Any, max_tokens: int) -> tuple[str, ...]:
        out = self.expert.net.generate(
            **inputs, generation_mode="text", do_sample=False, max_new_tokens=max_tokens
        )
        answers = out[:, inputs["input_ids"].shape[1] :]
        texts = self.expert.processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return tuple(" ".join(text.split()) for text in texts)

    def _embed_image(self, pixels: Tensor) -> Tensor:
        model = self.expert.net.model
        features = model.aligner(model.vision_model(pixels).last_hidden_state)
        return features.float().mean(dim=1).cpu()

    def _embed_text(self, captions: Sequence[str]) -> Tensor:
        """Padded on the right, which causal attention ignores."""
        tokenizer, net = self.expert.processor.tokenizer, self.expert.net
        tokens = [tokenizer.encode(caption, add_special_tokens=False) for caption in captions]
        length = max(map(len, tokens))
        ids = torch.full((len(tokens), length + 1), int(tokenizer.bos_token_id))
        counts = torch.zeros(ids.shape)
        for row, own in enumerate(tokens):
            ids[row, 1 : len(own) + 1] = torch.tensor(own, dtype=torch.long)
            counts[row, 1 : len(own) + 1] = 1
        mask = torch.cat([torch.ones(len(tokens), 1), counts[:, 1:]], dim=1).long()
        out = net.model.language_model(
            input_ids=ids.to(net.device), attention_mask=mask.to(net.device), use_cache=False
        )
        states = out.last_hidden_state.float().cpu()
        return (states * counts[..., None]).sum(dim=1) / counts.sum(dim=1, keepdim=True).clamp(
            min=1
        )
