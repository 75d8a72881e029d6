"""Faces in words, and as vectors: of the picture and of the words, by one vision-language model."""

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
from engine.experts.kinds.janus import WORDS, JanusExpert

QUESTION = (
    "Describe this face in one sentence: apparent age, hair, skin, expression, light, "
    "and what is worn."
)


class Captioning(Table):
    """What a vision-language model is asked for."""

    question: str = Field(default=QUESTION, min_length=1)
    words: int = Field(default=64, ge=1)
    """Tokens of a caption at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """Of b faces: a caption, the answer to the question for the age, and (b, d) float32 each."""

    captions: tuple[str, ...]
    ages: tuple[str, ...]
    image: Tensor
    text: Tensor


class Captioner(Protocol):
    """Whoever writes captions."""

    @property
    def maker(self) -> Maker:
        """What its embeddings are known by."""
        ...

    def caption(self, faces: Sequence[Pixels]) -> Captioned:
        """Aligned faces, uint8 RGB (s, s, 3), in words and as vectors."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class JanusCaptioner:
    """Janus-Pro, the one that tells ages: loaded once for both.

    image: the mean over the places of the vision tower's features, as the language model is given
    them (through the aligner), since only these have its width d; text: the mean of the language
    model's last hidden states over the caption's tokens, read by themselves behind the token that
    begins every text, which does not count: it is large and the same for all.
    """

    expert: JanusExpert
    asked: Captioning

    @property
    def maker(self) -> Maker:
        expert, table = self.expert, self.expert.table
        given = Path(table.weights).expanduser()
        seen = expert.processor.image_processor
        shown = {
            "side": int(expert.net.config.vision_config.image_size),
            "mean": [float(value) for value in seen.image_mean],
            "std": [float(value) for value in seen.image_std],
        }
        prompt = {**self.asked.dump(), "age": table.question, "age_words": WORDS}
        return Maker(
            model_id=given.name if given.is_dir() else table.weights,
            revision=expert.digest,
            prompt_id=settings_digest(prompt),
            preprocessing=settings_digest(shown),
            d=int(expert.net.config.text_config.hidden_size),
        )

    @torch.inference_mode()
    def caption(self, faces: Sequence[Pixels]) -> Captioned:
        several = self.expert.table.batch
        told = [self._few(faces[at : at + several]) for at in range(0, len(faces), several)]
        return Captioned(
            tuple(caption for one in told for caption in one.captions),
            tuple(age for one in told for age in one.ages),
            torch.cat([one.image for one in told]),
            torch.cat([one.text for one in told]),
        )

    def _few(self, faces: Sequence[Pixels]) -> Captioned:
        expert = self.expert
        inputs = expert.asked(faces, self.asked.question)
        captions = self._written(inputs, self.asked.words)
        ages = self._written(expert.asked(faces, expert.table.question), WORDS)
        return Captioned(captions, ages, self._seen(inputs["pixel_values"]), self._read(captions))

    def _written(self, inputs: Any, words: int) -> tuple[str, ...]:
        out = self.expert.net.generate(
            **inputs, generation_mode="text", do_sample=False, max_new_tokens=words
        )
        answers = out[:, inputs["input_ids"].shape[1] :]
        texts = self.expert.processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return tuple(" ".join(text.split()) for text in texts)

    def _seen(self, pixels: Tensor) -> Tensor:
        model = self.expert.net.model
        seen = model.aligner(model.vision_model(pixels).last_hidden_state)
        return seen.float().mean(dim=1).cpu()

    def _read(self, captions: Sequence[str]) -> Tensor:
        """Padded on the right: a token sees only what stands before it."""
        tokenizer, net = self.expert.processor.tokenizer, self.expert.net
        tokens = [tokenizer.encode(caption, add_special_tokens=False) for caption in captions]
        longest = max(map(len, tokens))
        ids = torch.full((len(tokens), longest + 1), int(tokenizer.bos_token_id))
        counts = torch.zeros(ids.shape)
        for row, own in enumerate(tokens):
            ids[row, 1 : len(own) + 1] = torch.tensor(own, dtype=torch.long)
            counts[row, 1 : len(own) + 1] = 1
        mask = torch.cat([torch.ones(len(tokens), 1), counts[:, 1:]], dim=1).long()
        told = net.model.language_model(
            input_ids=ids.to(net.device), attention_mask=mask.to(net.device), use_cache=False
        )
        states = told.last_hidden_state.float().cpu()
        return (states * counts[..., None]).sum(dim=1) / counts.sum(dim=1, keepdim=True).clamp(
            min=1
        )
