"""The memory that Janus-Pro needs, from its configuration alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.errors import WeightsError
from engine.core.jsontext import from_json
from engine.core.regular import read_text

TEXT_TOKENS = 100
"""Tokens of the question and its template, beside those of the picture."""
VISION = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "mlp_ratio": 4.0,
    "patch_size": 16,
    "image_size": 384,
    "num_image_tokens": 576,
    "depth": 2,
}
"""SigLIP-L at 384 px, which both published sizes share."""
PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "janus-pro-1b": {
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 5632,
        "vocab_size": 102_400,
    },
    "janus-pro-7b": {
        "hidden_size": 4096,
        "num_hidden_layers": 30,
        "num_attention_heads": 32,
        "intermediate_size": 11_008,
        "vocab_size": 102_400,
    },
}
"""The language models of the published configurations: DeepSeek-LLM 1.5B and 7B."""


@dataclass(frozen=True, slots=True)
class JanusMemory:
    """Parameters of the language and vision parts, and numbers that each face adds to the cache."""

    language: int
    vision: int
    cache_numbers: int

    @property
    def parameters(self) -> int:
        """Both together; the image generator is not loaded."""
        return self.language + self.vision

    def bytes(self, batch: int, width: int = 2) -> int:
        """Memory with `batch` faces at once, in numbers of `width` bytes (2: bfloat16)."""
        return width * (self.parameters + batch * self.cache_numbers)


def memory_of(config: Mapping[str, Any]) -> JanusMemory:
    """From a `config.json`; missing keys have Llama's and Janus's defaults."""
    text = {"tie_word_embeddings": False} | dict(config.get("text_config", {}))
    vision = VISION | dict(config.get("vision_config", {}))
    wide, layers, hidden = (
        int(text[key]) for key in ("hidden_size", "num_hidden_layers", "intermediate_size")
    )
    heads = int(text.get("num_attention_heads", 32))
    kv_heads = int(text.get("num_key_value_heads", heads))
    key_width = int(text.get("head_dim", wide // heads)) * kv_heads
    own = int(text.get("head_dim", wide // heads)) * heads
    block = 2 * wide * own + 2 * wide * key_width + 3 * wide * hidden + 2 * wide
    language = layers * block + wide + 2 * int(text["vocab_size"]) * wide
    side, patch = int(vision["hidden_size"]), int(vision["patch_size"])
    mlp = int(side * float(vision["mlp_ratio"]))
    layer = 4 * (side * side + side) + 2 * side * mlp + mlp + side + 4 * side
    tokens = int(vision["num_image_tokens"])
    patches = (int(vision["image_size"]) // patch) ** 2
    tower = int(vision["num_hidden_layers"]) * layer + 3 * patch**2 * side + side + patches * side
    tower += 2 * side
    aligner = side * wide + wide + (int(vision["depth"]) - 1) * (wide * wide + wide)
    cache = 2 * layers * key_width * (tokens + 2 + TEXT_TOKENS)
    return JanusMemory(language, tower + aligner, cache)


def published_memory(name: str) -> JanusMemory:
    """The memory of `janus-pro-1b` or `janus-pro-7b`, without any of their files."""
    return memory_of({"text_config": PUBLISHED[name]})


def memory_in(folder: Path) -> JanusMemory:
    """The memory of the model in a folder, by its `config.json`."""
    path = folder / "config.json"
    try:
        return memory_of(from_json(read_text(path)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"`{path}` is no configuration of Janus-Pro: {error}") from None
