"""Janus-Pro: a vision-language model, prompted for an age and scored on every answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import TmError, WeightsError
from engine.core.places import offline
from engine.experts.base import EXPERTS, OLDEST, AgePrediction, ExpertTable, Faces, Pixels
from engine.experts.closed_set import ClosedSet
from engine.experts.janus_shape import PUBLISHED, JanusMemory, memory_in, published_memory
from engine.experts.prose import parse_age
from engine.weights.folder import weights_file

QUESTION = (
    "How old is the person in this picture? Answer with the number of years and nothing else. "
    "If you cannot tell, answer: unknown"
)
UNKNOWN = OLDEST + 1
"""Index of the answer `unknown`, after the ages 0..100."""
MAX_TOKENS = 12
"""Tokens of a generated answer at most."""
GENERATED_SPREAD = 6.0
"""Years of spread of a generated answer, which has none of its own."""


@EXPERTS.register("janus")
class JanusTable(ExpertTable):
    """Photographs; the whole aligned face goes to the model's own processor: longest side 384 px,
    bicubic, its mean and deviation, 576 tokens (Chen et al. 2025).
    """

    domain = "photos"
    preprocessing = "aligned face through the model's own processor, 384 px"
    kind: Literal["janus"] = "janus"
    weights: str = "janus-pro-1b"
    """A name, a folder, or with `hub` a repository such as deepseek-community/Janus-Pro-7B."""
    hub: bool = False
    """Whether files may be downloaded."""
    revision: str | None = None
    """Commit of the repository, for `hub`."""
    decoding: Literal["scored", "greedy"] = "scored"
    """`scored`: the probability of every answer from 0 to 100; `greedy`: one generated answer,
    which is faster."""
    batch: int = Field(default=4, ge=1)
    question: str = QUESTION

    def load(self, device: torch.device) -> "JanusExpert":
        source: str | Path = self.weights if self.hub and not offline() else self.path()
        transformers = _transformers()
        options = {"local_files_only": not self.hub or offline(), "revision": self.revision}
        try:
            processor = transformers.JanusProcessor.from_pretrained(source, **options)
            net = transformers.JanusForConditionalGeneration.from_pretrained(
                source, dtype="auto", **options
            )
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise WeightsError(f"`{self.weights}` is no Janus-Pro: {first}") from None
        net.model.vqmodel = None  # the image generator is not used
        processor.tokenizer.padding_side = "left"
        digest = folder_digest(source) if isinstance(source, Path) else f"{source}@{self.revision}"
        return JanusExpert(net.eval().to(device), processor, self, digest)

    def path(self) -> Path:
        given = Path(self.weights).expanduser()
        return given if given.is_dir() else weights_file(self.weights)

    def cost(self) -> str:
        sizes = [f"{name} {_size(published_memory(name), self.batch)}" for name in PUBLISHED]
        if Path(self.weights).expanduser().is_dir():
            sizes.insert(0, f"this one {_size(memory_in(self.path()), self.batch)}")
        return f"memory at {self.batch} faces in bfloat16: {'; '.join(sizes)}"


class JanusExpert:
    """Predicts nothing where `unknown` is likelier than all the ages together."""

    def __init__(self, net: Any, processor: Any, table: JanusTable, digest: str) -> None:
        self.net, self.processor, self.table, self.digest = net, processor, table, digest
        self.answers = closed_answers(processor.tokenizer)

    def predict(self, faces: Faces) -> AgePrediction:
        parts: list[AgePrediction] = []
        for first in range(0, len(faces), self.table.batch):
            batch = faces.faces[first : first + self.table.batch]
            inputs = self.prompt(batch, self.table.question)
            scored = self.table.decoding == "scored"
            parts.append(self._scored(inputs) if scored else self._greedy(inputs))
        return AgePrediction(
            torch.cat([one.years for one in parts]),
            torch.cat([one.spread for one in parts]),
            torch.cat([one.confidence for one in parts]),
        )

    def prompt(self, faces: Sequence[Pixels], question: str) -> Any:
        """The model's inputs for a question about each face."""
        text = {"type": "text", "text": question}
        messages = [
            [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": Image.fromarray(face)}, text],
                }
            ]
            for face in faces
        ]
        return self.processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            generation_mode="text",
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        ).to(self.net.device, dtype=self.net.dtype)

    def _scored(self, inputs: Any) -> AgePrediction:
        """The distribution over the answers from 0 to 100."""
        shares = self.answers.probabilities(_Cached(self.net, inputs)).float().cpu()
        ages, unknown = shares[:, :UNKNOWN], shares[:, UNKNOWN]
        mass = ages.sum(dim=1)
        scored = AgePrediction.of_distribution(ages)
        missing = unknown > mass
        return AgePrediction(
            scored.years.masked_fill(missing, torch.nan),
            scored.spread.masked_fill(missing, torch.nan),
            (scored.confidence * mass).masked_fill(missing, torch.nan),
        )

    def _greedy(self, inputs: Any) -> AgePrediction:
        """One generated answer; confidence is the mean probability of its tokens."""
        out = self.net.generate(
            **inputs,
            generation_mode="text",
            do_sample=False,
            max_new_tokens=MAX_TOKENS,
            return_dict_in_generate=True,
            output_logits=True,
        )
        chosen = out.sequences[:, -len(out.logits) :]
        texts = self.processor.tokenizer.batch_decode(chosen, skip_special_tokens=True)
        log_p = torch.stack(out.logits, dim=1).float().log_softmax(dim=2)
        confidence = log_p.gather(2, chosen[..., None]).squeeze(2).mean(dim=1).exp().cpu()
        ages = [parse_age(text) for text in texts]
        return AgePrediction(
            torch.tensor([torch.nan if age is None else age.years for age in ages]),
            torch.tensor([torch.nan if age is None else GENERATED_SPREAD for age in ages]),
            torch.tensor([torch.nan if age is None else age.share for age in ages]) * confidence,
        )


@dataclass(slots=True)
class _Cached:
    """Next-token probabilities behind a prompt and a prefix, with a cache."""

    net: Any
    inputs: Any
    cache: Any = None
    cached: tuple[int, ...] = ()
    last: Tensor | None = None

    def __call__(self, prefix: Sequence[int]) -> Tensor:
        """Logarithms of probabilities (b, vocabulary)."""
        mask = self.inputs["attention_mask"]
        if self.cache is None:
            out = self.net(**self.inputs, use_cache=True, logits_to_keep=1)
            self.cache, self.last = out.past_key_values, out.logits[:, -1]
        shared = 0
        while shared < min(len(prefix), len(self.cached)) and prefix[shared] == self.cached[shared]:
            shared += 1
        if shared == len(prefix) < len(self.cached):
            shared -= 1  # the logits behind this very prefix were not kept
        if len(self.cached) > shared:
            self.cache.crop(shared - len(self.cached))
        added = torch.tensor(prefix[shared:], device=mask.device).expand(len(mask), -1)
        if added.shape[1]:
            longer = torch.cat([mask, mask.new_ones(len(mask), len(prefix))], dim=1)
            out = self.net(
                input_ids=added,
                attention_mask=longer,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
            self.cache, self.last = out.past_key_values, out.logits[:, -1]
        self.cached = tuple(prefix)
        assert self.last is not None
        return self.last.float().log_softmax(dim=1)


def closed_answers(tokenizer: Any) -> ClosedSet:
    """The token sequences of the ages 0..100 and `unknown`, each also behind a space."""
    texts: dict[int, tuple[str, ...]] = {age: (str(age), f" {age}") for age in range(OLDEST + 1)}
    texts[UNKNOWN] = ("unknown", " unknown", "Unknown", " Unknown")
    unknown_token = getattr(tokenizer, "unk_token_id", None)
    sequences: dict[int, list[list[int]]] = {}
    for answer, spellings in texts.items():
        encoded = [tokenizer.encode(text, add_special_tokens=False) for text in spellings]
        sequences[answer] = [tokens for tokens in encoded if tokens and unknown_token not in tokens]
        if not sequences[answer]:
            raise WeightsError(f"the tokenizer cannot write `{spellings[0]}`")
    return ClosedSet.of(sequences)


def folder_digest(folder: Path) -> str:
    """Digest of a model in a folder: content of its JSON files, names and sizes of the others."""
    files = {
        path.name: file_sha256(path) if path.suffix == ".json" else path.stat().st_size
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    return settings_digest(files)


def _size(memory: JanusMemory, batch: int) -> str:
    return f"{memory.bytes(batch) / 1e9:.1f} GB ({memory.parameters / 1e9:.2f} G parameters)"


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        raise TmError(
            "`transformers` is not installed", hint="run `pip install 'tm-toolkit[vlm]'`"
        ) from error
