"""Janus-Pro: a vision-language model that is asked for an age, and scored on every answer."""

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
from engine.experts.base import EXPERTS, OLDEST, Answer, ExpertTable, Faces, Pixels
from engine.experts.closed_set import ClosedSet
from engine.experts.janus_shape import PUBLISHED, JanusMemory, memory_in, published_memory
from engine.experts.prose import told_age
from engine.weights.folder import weights_file

QUESTION = (
    "How old is the person in this picture? Answer with the number of years and nothing else. "
    "If you cannot tell, answer: unknown"
)
UNKNOWN = OLDEST + 1
"""The answer after the ages 0..100."""
WORDS = 12
"""Tokens of an answer in words."""
SPREAD_OF_WORDS = 6.0
"""Years of spread where only words tell the age: they carry none of their own."""


@EXPERTS.register("janus")
class JanusTable(ExpertTable):
    """Photographs; the whole aligned face goes to the model's own processor: longest side 384 px,
    bicubic, its mean and deviation, 576 tokens (`specs/agetransformer.md` 4).
    """

    domain = "photos"
    seen = "aligned face through the model's own processor, 384 px"
    kind: Literal["janus"] = "janus"
    weights: str = "janus-pro-1b"
    """A name, a folder, or with `hub` a repository such as deepseek-community/Janus-Pro-7B."""
    hub: bool = False
    """Whether files may come from the network."""
    revision: str | None = None
    """Commit of the repository, for `hub`."""
    ask: Literal["numbers", "words"] = "numbers"
    """`numbers` scores every answer from 0 to 100; `words` reads one answer, which is faster."""
    batch: int = Field(default=4, ge=1)
    question: str = QUESTION

    def load(self, device: torch.device) -> "JanusExpert":
        place: str | Path = self.weights if self.hub and not offline() else self.place()
        transformers = _transformers()
        options = {"local_files_only": not self.hub or offline(), "revision": self.revision}
        try:
            processor = transformers.JanusProcessor.from_pretrained(place, **options)
            net = transformers.JanusForConditionalGeneration.from_pretrained(
                place, dtype="auto", **options
            )
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise WeightsError(f"`{self.weights}` is no Janus-Pro: {first}") from None
        net.model.vqmodel = None  # it paints pictures, and nobody asks it to
        processor.tokenizer.padding_side = "left"
        digest = folder_digest(place) if isinstance(place, Path) else f"{place}@{self.revision}"
        return JanusExpert(net.eval().to(device), processor, self, digest)

    def place(self) -> Path:
        given = Path(self.weights).expanduser()
        return given if given.is_dir() else weights_file(self.weights)

    def forecast(self) -> str:
        found = {name: published_memory(name) for name in PUBLISHED}
        told = [f"{name} {_told(memory, self.batch)}" for name, memory in found.items()]
        if Path(self.weights).expanduser().is_dir():
            told = [f"this one {_told(memory_in(self.place()), self.batch)}", *told]
        return f"memory at {self.batch} faces in bfloat16: {'; '.join(told)}"


class JanusExpert:
    """It answers nothing where `unknown` is likelier than all the ages together."""

    def __init__(self, net: Any, processor: Any, table: JanusTable, digest: str) -> None:
        self.net, self.processor, self.table, self.digest = net, processor, table, digest
        self.answers = closed_answers(processor.tokenizer)

    def answer(self, faces: Faces) -> Answer:
        told: list[Answer] = []
        for first in range(0, len(faces), self.table.batch):
            some = faces.faces[first : first + self.table.batch]
            inputs = self.asked(some, self.table.question)
            told.append(self._scored(inputs) if self.table.ask == "numbers" else self._read(inputs))
        return Answer(
            torch.cat([one.years for one in told]),
            torch.cat([one.spread for one in told]),
            torch.cat([one.confidence for one in told]),
        )

    def asked(self, faces: Sequence[Pixels], question: str) -> Any:
        """What the model is given to answer a question about each face."""
        words = {"type": "text", "text": question}
        asked = [
            [
                {
                    "role": "user",
                    "content": [{"type": "image", "image": Image.fromarray(face)}, words],
                }
            ]
            for face in faces
        ]
        return self.processor.apply_chat_template(
            asked,
            add_generation_prompt=True,
            generation_mode="text",
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        ).to(self.net.device, dtype=self.net.dtype)

    def _scored(self, inputs: Any) -> Answer:
        """Every answer from 0 to 100 by its own probability."""
        found = self.answers.probabilities(_Cached(self.net, inputs)).float().cpu()
        ages, unknown = found[:, :UNKNOWN], found[:, UNKNOWN]
        mass = ages.sum(dim=1)
        scored = Answer.of_shares(ages)
        silent = unknown > mass
        return Answer(
            scored.years.masked_fill(silent, torch.nan),
            scored.spread.masked_fill(silent, torch.nan),
            (scored.confidence * mass).masked_fill(silent, torch.nan),
        )

    def _read(self, inputs: Any) -> Answer:
        """One greedy answer in words; confidence is the mean probability of its tokens."""
        out = self.net.generate(
            **inputs,
            generation_mode="text",
            do_sample=False,
            max_new_tokens=WORDS,
            return_dict_in_generate=True,
            output_logits=True,
        )
        chosen = out.sequences[:, -len(out.logits) :]
        texts = self.processor.tokenizer.batch_decode(chosen, skip_special_tokens=True)
        likely = torch.stack(out.logits, dim=1).float().log_softmax(dim=2)
        sure = likely.gather(2, chosen[..., None]).squeeze(2).mean(dim=1).exp().cpu()
        ages = [told_age(text) for text in texts]
        return Answer(
            torch.tensor([torch.nan if age is None else age.years for age in ages]),
            torch.tensor([torch.nan if age is None else SPREAD_OF_WORDS for age in ages]),
            torch.tensor([torch.nan if age is None else age.share for age in ages]) * sure,
        )


@dataclass(slots=True)
class _Cached:
    """What follows a prompt and a prefix, by a model whose cache is cropped and grown."""

    net: Any
    inputs: Any
    cache: Any = None
    behind: tuple[int, ...] = ()
    last: Tensor | None = None

    def __call__(self, prefix: Sequence[int]) -> Tensor:
        """Logarithms of probabilities (b, vocabulary)."""
        mask = self.inputs["attention_mask"]
        if self.cache is None:
            out = self.net(**self.inputs, use_cache=True, logits_to_keep=1)
            self.cache, self.last = out.past_key_values, out.logits[:, -1]
        shared = 0
        while shared < min(len(prefix), len(self.behind)) and prefix[shared] == self.behind[shared]:
            shared += 1
        if shared == len(prefix) < len(self.behind):
            shared -= 1  # what followed this very prefix was not kept
        if len(self.behind) > shared:
            self.cache.crop(shared - len(self.behind))
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
        self.behind = tuple(prefix)
        assert self.last is not None
        return self.last.float().log_softmax(dim=1)


def closed_answers(tokenizer: Any) -> ClosedSet:
    """The ages 0..100 and `unknown`, each also behind a space, as this tokenizer writes them."""
    words: dict[int, tuple[str, ...]] = {age: (str(age), f" {age}") for age in range(OLDEST + 1)}
    words[UNKNOWN] = ("unknown", " unknown", "Unknown", " Unknown")
    unknown_token = getattr(tokenizer, "unk_token_id", None)
    spelled: dict[int, list[list[int]]] = {}
    for answer, texts in words.items():
        found = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        spelled[answer] = [tokens for tokens in found if tokens and unknown_token not in tokens]
        if not spelled[answer]:
            raise WeightsError(f"the tokenizer cannot write `{texts[0]}`")
    return ClosedSet.of(spelled)


def folder_digest(folder: Path) -> str:
    """Of a model in a folder: the content of its small files, names and sizes of the large ones."""
    told = {
        path.name: file_sha256(path) if path.suffix == ".json" else path.stat().st_size
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    return settings_digest(told)


def _told(memory: JanusMemory, batch: int) -> str:
    return f"{memory.bytes(batch) / 1e9:.1f} GB ({memory.parameters / 1e9:.2f} G parameters)"


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        raise TmError(
            "`transformers` is not installed", hint="run `pip install 'tm-toolkit[vlm]'`"
        ) from error
