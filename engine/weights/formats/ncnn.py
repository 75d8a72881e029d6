"""ncnn networks: a text `.param` that lists layers and a `.bin` with their numbers in that order.

Read are the layers of the Real-ESRGAN networks. The graph itself is not run: what counts is which
convolution has which weights, and `esrgan_state` gives them the names that Real-ESRGAN uses.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isqrt
from pathlib import Path

from torch import Tensor

from engine.weights.formats.cursor import Cursor, file_bytes, malformed

MAGIC = "7767517"
FLOAT32, FLOAT16 = 0, 0x01306B47
"""The four bytes before a convolution's weights; other values are quantised kinds."""
LARGEST_PARAM, LARGEST_BIN = 1 << 20, 1 << 27
MOST_LAYERS, MOST_BLOBS, WIDEST = 4096, 16384, 4096
WITHOUT_WEIGHTS = frozenset(
    {"Input", "Split", "Concat", "Eltwise", "BinaryOp", "Interp", "PixelShuffle"}
)
NUMBER = re.compile(r"-?\d{1,9}")
SLOPE = 0.2
"""Of the leaky ReLU inside a convolution of Real-ESRGAN."""
BLOCK = 15
"""Convolutions of one residual-in-residual dense block: three dense blocks of five."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a `.param`: kind, name, and the parameters by their numbers."""

    kind: str
    name: str
    options: Mapping[int, str]


def read_ncnn(param: Path, weights: Path) -> dict[str, Tensor]:
    """The tensors of a `.param` and its `.bin`, as `ncnn_tensors` names them."""
    text = file_bytes(param, LARGEST_PARAM)
    return ncnn_tensors(text, file_bytes(weights, LARGEST_BIN), name=str(weights))


def read_esrgan(param: Path, weights: Path) -> dict[str, Tensor]:
    """The state dict of a Real-ESRGAN network kept as `.param` and `.bin`."""
    return esrgan_state(read_ncnn(param, weights), name=str(weights))


def ncnn_tensors(param: bytes, weights: bytes, *, name: str) -> dict[str, Tensor]:
    """All numbers as float32 under `<layer>.weight` and `<layer>.bias`, in the order of the file.

    Convolutions are (out, in, k, k), the slopes of a PReLU (channels,). WeightsError for anything
    that is not exactly such a pair of files.
    """
    cursor = Cursor(weights, name)
    tensors: dict[str, Tensor] = {}
    for layer in _layers(param, name):
        if layer.kind == "Convolution":
            tensors |= _convolution(layer, cursor)
        elif layer.kind == "PReLU":
            _require_options(layer, {0}, name)
            slopes = _integer(layer, 0, name, 1, WIDEST)
            tensors[f"{layer.name}.weight"] = cursor.tensor([slopes], "f4", layer.name)
    cursor.finish()
    return tensors


def esrgan_state(tensors: Mapping[str, Tensor], *, name: str) -> dict[str, Tensor]:
    """What `ncnn_tensors` read, under the keys of Real-ESRGAN's RRDBNet or SRVGGNetCompact.

    Which of the two it is follows from the PReLUs; every shape is checked.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, _, part = key.rpartition(".")
        groups.setdefault(layer, {})[part] = tensor
    layers = list(groups.values())
    slopes = any(layer["weight"].dim() == 1 for layer in layers)
    wanted = _compact_shapes(layers) if slopes else _rrdb_shapes(layers)
    if wanted is None or len(wanted) != len(layers):
        raise malformed(name, f"has {len(layers)} layers with weights: no Real-ESRGAN network")
    state: dict[str, Tensor] = {}
    for (key, shape), layer in zip(wanted.items(), layers, strict=True):
        if tuple(layer["weight"].shape) != shape or ("bias" in layer) != (len(shape) == 4):
            raise malformed(name, f"has a layer of another shape where Real-ESRGAN has `{key}`")
        state |= {f"{key}.{part}": tensor for part, tensor in layer.items()}
    return state


def _rrdb_shapes(layers: Sequence[Mapping[str, Tensor]]) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of an RRDBNet of that many convolutions, or None."""
    blocks, rest = divmod(len(layers) - 6, BLOCK)
    if blocks < 1 or rest:
        return None
    width, growth = layers[0]["weight"].shape[0], layers[1]["weight"].shape[0]
    shapes: dict[str, tuple[int, ...]] = {"conv_first": (width, 3, 3, 3)}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for conv in range(1, 6):
                outputs = width if conv == 5 else growth
                inputs = width + (conv - 1) * growth
                shapes[f"body.{block}.rdb{dense}.conv{conv}"] = (outputs, inputs, 3, 3)
    for key in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        shapes[key] = (width, width, 3, 3)
    return shapes | {"conv_last": (3, width, 3, 3)}


def _compact_shapes(layers: Sequence[Mapping[str, Tensor]]) -> dict[str, tuple[int, ...]] | None:
    """Names and shapes of an SRVGGNetCompact: convolutions with a PReLU between every two."""
    width, outputs = layers[0]["weight"].shape[0], layers[-1]["weight"].shape[0]
    scale = isqrt(outputs // 3)
    if len(layers) < 3 or len(layers) % 2 == 0 or outputs != 3 * scale * scale:
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for place in range(len(layers)):
        last = place == len(layers) - 1
        inputs = 3 if place == 0 else width
        shape = (outputs if last else width, inputs, 3, 3)
        shapes[f"body.{place}"] = (width,) if place % 2 else shape
    return shapes


def _layers(param: bytes, name: str) -> list[Layer]:
    """The layers of a `.param`, whose graph must be whole: every input comes from above."""
    try:
        lines = param.decode("ascii").rstrip().split("\n")
    except UnicodeDecodeError:
        raise malformed(name, "has a `.param` beside it that is no text") from None
    if lines[0].strip() != MAGIC or len(lines) < 3:
        raise malformed(name, f"has a `.param` beside it that does not begin with {MAGIC}")
    counts = lines[1].split()
    if len(counts) != 2 or not all(NUMBER.fullmatch(count) for count in counts):
        raise malformed(name, "has a `.param` beside it without the numbers of layers and blobs")
    layers, blobs = int(counts[0]), int(counts[1])
    if not (0 < layers <= MOST_LAYERS and 0 < blobs <= MOST_BLOBS) or layers != len(lines) - 2:
        raise malformed(
            name, f"has a `.param` beside it that promises {layers} layers, not {len(lines) - 2}"
        )
    made: set[str] = set()
    parsed = [_layer(line, made, name) for line in lines[2:]]
    if len(made) != blobs:
        raise malformed(name, f"has a `.param` beside it of {len(made)} blobs, not {blobs}")
    if len({layer.name for layer in parsed}) != len(parsed):
        raise malformed(name, "has a `.param` beside it with two layers of one name")
    return parsed


def _layer(line: str, made: set[str], name: str) -> Layer:
    """One line; its outputs are added to the blobs that are `made`."""
    words = line.split()
    if len(words) < 4 or not all(NUMBER.fullmatch(word) for word in words[2:4]):
        raise malformed(name, f"has a `.param` beside it with no layer in `{line[:60]}`")
    kind, layer = words[:2]
    if kind not in WITHOUT_WEIGHTS | {"Convolution", "PReLU"}:
        raise malformed(
            name,
            f"has a layer of kind `{kind[:40]}`, which is not read here",
            hint="Real-ESRGAN networks in float16 or float32 are read",
        )
    inputs, outputs = int(words[2]), int(words[3])
    ends = 4 + inputs + outputs
    if inputs < 0 or outputs < 1 or ends > len(words):
        raise malformed(name, f"has a layer `{layer[:40]}` that lacks some of its blobs")
    sources, results = words[4 : 4 + inputs], words[4 + inputs : ends]
    if not made.issuperset(sources) or made.intersection(results):
        raise malformed(name, f"has a layer `{layer[:40]}` that is not connected to those above")
    made.update(results)
    options: dict[int, str] = {}
    for word in words[ends:]:
        key, equals, value = word.partition("=")
        if not (equals and value and NUMBER.fullmatch(key)) or int(key) in options:
            raise malformed(name, f"has a layer `{layer[:40]}` with the parameter `{word[:40]}`")
        options[int(key)] = value
    return Layer(kind, layer, options)


def _convolution(layer: Layer, cursor: Cursor) -> dict[str, Tensor]:
    """Weights and bias of a convolution of stride 1 that keeps the size of its picture."""
    name = cursor.name
    _require_options(layer, {0, 1, 2, 3, 4, 5, 6, 8, 9, -23310}, name)
    outputs = _integer(layer, 0, name, 1, WIDEST)
    kernel = _integer(layer, 1, name, 1, 15)
    numbers = _integer(layer, 6, name, 1, LARGEST_BIN)
    _integer(layer, 2, name, 1, 1, missing=1)
    _integer(layer, 3, name, 1, 1, missing=1)
    _integer(layer, 4, name, kernel // 2, kernel // 2, missing=0)
    _integer(layer, 8, name, 0, 0, missing=0)
    biased = _integer(layer, 5, name, 0, 1, missing=0)
    if _integer(layer, 9, name, 0, 2, missing=0) == 1 or not _slope_known(layer):
        raise cursor.fault(f"has a layer `{layer.name[:40]}` with an unknown activation")
    inputs, rest = divmod(numbers, outputs * kernel * kernel)
    if rest or not 0 < inputs <= WIDEST:
        raise cursor.fault(f"has a layer `{layer.name[:40]}` of {numbers:,} weights, too odd")
    shape = (outputs, inputs, kernel, kernel)
    tag = int.from_bytes(cursor.take(4, layer.name), "little")
    if tag not in (FLOAT32, FLOAT16):
        raise cursor.fault(
            f"keeps `{layer.name[:40]}` in a form that is not read here: {tag:#010x}"
        )
    tensors = {
        f"{layer.name}.weight": cursor.tensor(shape, "f2" if tag == FLOAT16 else "f4", layer.name)
    }
    if tag == FLOAT16 and numbers % 2 and any(cursor.take(2, layer.name)):
        raise cursor.fault(f"has no zeros where `{layer.name[:40]}` is padded to four bytes")
    if biased:
        tensors[f"{layer.name}.bias"] = cursor.tensor([outputs], "f4", layer.name)
    return tensors


def _slope_known(layer: Layer) -> bool:
    """Whether the activation is none, or the leaky ReLU of Real-ESRGAN."""
    leaky = layer.options.get(9, "0") == "2"
    count, _, slope = layer.options.get(-23310, "").partition(",")
    if not leaky:
        return not slope and not count
    try:
        value = float(slope)
    except ValueError:
        return False
    return count == "1" and isfinite(value) and abs(value - SLOPE) < 1e-6


def _integer(
    layer: Layer, key: int, name: str, low: int, high: int, missing: int | None = None
) -> int:
    """A parameter that must lie between two bounds; `missing` where it may be left out."""
    text = layer.options.get(key, "" if missing is None else str(missing))
    if not NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise malformed(
            name, f"has a layer `{layer.name[:40]}` with {key}={text[:20] or 'nothing'}"
        )
    return int(text)


def _require_options(layer: Layer, known: set[int], name: str) -> None:
    strange = sorted(set(layer.options) - known)
    if strange:
        raise malformed(name, f"has a layer `{layer.name[:40]}` with parameter {strange[0]}")
