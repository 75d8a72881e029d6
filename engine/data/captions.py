"""The caption cache: captions of faces, and embeddings of faces and captions.

`index.jsonl` has a row for each face: image_id, sha256 of its file, model_id, prompt_id, caption,
age_text and `row`, its place in `embeddings.safetensors`: image and text, (N, d) float16. That
file's header names the model, its revision, the prompts, the preprocessing, d, and the digest of
the index it belongs to.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from engine.core.atomic import write_text
from engine.core.errors import UsageError, WeightsError
from engine.core.jsontext import to_json
from engine.core.ledger import read_rows
from engine.core.regular import read_bytes
from engine.weights.tensors import opened_safetensors, read_safetensors, write_safetensors

INDEX, EMBEDDINGS = "index.jsonl", "embeddings.safetensors"
SCHEMA = "1"
BOUND = "index_sha256"
"""Digest of the index in the header: two files cannot be replaced in one step."""


@dataclass(frozen=True, slots=True)
class Maker:
    """The model and prompts of embeddings, which are never mixed; `d`: their width."""

    model_id: str
    revision: str
    prompt_id: str
    preprocessing: str
    d: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From a header or the facts of a checkpoint; ValueError or KeyError for others."""
        words = {field.name: str(facts[field.name]) for field in fields(cls) if field.name != "d"}
        return cls(**words, d=int(facts["d"]))

    def facts(self) -> dict[str, Any]:
        """The facts of a checkpoint."""
        return asdict(self)

    def differs(self, other: "Maker") -> str:
        """The fields in which two makers differ, as text; empty if none."""
        mine, theirs = asdict(self), asdict(other)
        return ", ".join(
            f"{key} `{theirs[key]}`, not `{value}`"
            for key, value in mine.items()
            if theirs[key] != value
        )


@dataclass(frozen=True, slots=True)
class Caption:
    """The caption of one face, and the answer to the question for its age."""

    image_id: str
    sha256: str
    caption: str
    age_text: str


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """A whole cache: captions in the order of the rows of image and text, (N, d) float16 each."""

    maker: Maker
    captions: tuple[Caption, ...]
    image: Tensor
    text: Tensor

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def rows(self) -> dict[str, int]:
        """The row of each picture, by the digest of its file."""
        return {caption.sha256: row for row, caption in enumerate(self.captions)}

    def save(self, folder: Path) -> None:
        """Write both files; a killed process leaves a pair that `read_captions` refuses."""
        index = "".join(
            to_json(self._row(caption, row)) + "\n" for row, caption in enumerate(self.captions)
        )
        bound = hashlib.sha256(index.encode("utf-8")).hexdigest()
        header = {key: str(value) for key, value in self.maker.facts().items()}
        write_safetensors(
            folder / EMBEDDINGS,
            {"image": self.image, "text": self.text},
            {"format": "pt", "schema": SCHEMA, **header, BOUND: bound},
        )
        write_text(folder / INDEX, index)

    def _row(self, caption: Caption, row: int) -> dict[str, Any]:
        return {
            "image_id": caption.image_id,
            "sha256": caption.sha256,
            "model_id": self.maker.model_id,
            "prompt_id": self.maker.prompt_id,
            "caption": caption.caption,
            "age_text": caption.age_text,
            "row": row,
        }


def joined(parts: Sequence[Captions], maker: Maker) -> Captions:
    """All parts as one, in the order of names; the last caption of a picture counts."""
    merged = {
        caption.sha256: (caption, part.image[row], part.text[row])
        for part in parts
        for row, caption in enumerate(part.captions)
    }
    order = sorted(merged.values(), key=lambda one: (one[0].image_id, one[0].sha256))
    empty = torch.empty(0, maker.d, dtype=torch.float16)
    return Captions(
        maker,
        tuple(caption for caption, _, _ in order),
        torch.stack([image for _, image, _ in order]) if order else empty,
        torch.stack([text for _, _, text in order]) if order else empty,
    )


def read_maker(folder: Path) -> Maker:
    """The maker of a cache, without reading it; UsageError as for `read_captions`."""
    try:
        with opened_safetensors(folder / EMBEDDINGS) as file:
            return Maker.of(file.metadata() or {})
    except (OSError, WeightsError, KeyError, ValueError) as error:
        raise _unreadable(folder, error) from None


def read_captions(folder: Path) -> Captions:
    """A cache, its embeddings mapped from the disk; UsageError for an incomplete one or none."""
    try:
        header, tensors = read_safetensors(folder / EMBEDDINGS)
        maker = Maker.of(header)
        index = read_bytes(folder / INDEX)
        if hashlib.sha256(index).hexdigest() != header[BOUND]:
            raise ValueError("the index and the embeddings do not belong together")
        rows = read_rows(folder / INDEX)
        captions = tuple(
            Caption(row["image_id"], row["sha256"], row["caption"], row["age_text"]) for row in rows
        )
        image, text = tensors["image"], tensors["text"]
    except (OSError, WeightsError, KeyError, ValueError, TypeError) as error:
        raise _unreadable(folder, error) from None
    shape = (len(captions), maker.d)
    if image.shape != shape or text.shape != shape:
        raise _unreadable(folder, ValueError(f"the embeddings are not {shape}"))
    return Captions(maker, captions, image, text)


def _unreadable(folder: Path, error: Exception) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return UsageError(
        f"`{folder}` cannot be read as captions: {reason}",
        hint="`tm relabel --captions` writes such a folder, and completes an interrupted one",
    )
