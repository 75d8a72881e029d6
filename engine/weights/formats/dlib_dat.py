"""dlib's own serialisation of a trained network, as far as its residual descriptor needs it.

A file is a chain of layers: first the versions of all layers from the loss inwards, then, from the
picture outwards, each layer's name, numbers and state. Integers are packed (one byte of sign and
length, then that many bytes), floats are a mantissa and a binary exponent, and the numbers of a
tensor are raw little-endian float32. dlib 19.x writes it; `dlib/serialize.h`, `dlib/dnn/core.h`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from engine.weights.formats.cursor import Cursor, file_bytes, malformed

LARGEST = 1 << 26
MOST_LAYERS, WIDEST, LONGEST_NAME = 512, 4096, 64
FIRST, INNER, TAG = 3, 2, 1
"""Versions: the layer on the picture, any other with numbers or state, and tags and skips."""
NEGATIVE, LENGTH = 0x80, 0x0F
WITHOUT_BIAS = 1
Shape = tuple[int, int, int, int]


def read_dlib(path: Path) -> dict[str, Tensor]:
    """The tensors of a dlib network, as `dlib_tensors` names them."""
    return dlib_tensors(file_bytes(path, LARGEST), name=str(path))


def dlib_tensors(data: bytes, *, name: str) -> dict[str, Tensor]:
    """Float32 tensors by layer, counted from the picture outwards.

    `conv.<n>.weight` (out, in, h, w) and `conv.<n>.bias`, `affine.<n>.gamma` and `.beta`,
    `dense.<n>.weight` (out, in). WeightsError for anything that is not exactly such a file.
    """
    return _Reader(Cursor(data, name)).network()


@dataclass(slots=True)
class _Reader:
    cursor: Cursor
    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    counts: dict[str, int] = field(default_factory=dict[str, int])

    def network(self) -> dict[str, Tensor]:
        """The whole file."""
        if self.integer() != 1 or self.text() != "loss_metric_2":
            self.refuse("is no dlib network with a metric loss")
        self.real()  # the margin
        self.real()  # the distance under which two faces are of one person
        versions = self.versions()
        if self.text() != "input_rgb_image_sized":
            self.refuse("does not begin with RGB pictures of a fixed size")
        for _ in range(3):
            self.real()  # the mean of red, green and blue
        for _ in range(2):
            self.within(1, WIDEST)  # rows and columns
        for version in reversed(versions):
            if version != TAG:
                self.layer(version)
        self.cursor.finish()
        return self.tensors

    def versions(self) -> list[int]:
        """The versions of all layers, from the last to the one on the picture."""
        versions: list[int] = []
        while not versions or versions[-1] != FIRST:
            versions.append(self.within(TAG, FIRST))
            if len(versions) > MOST_LAYERS:
                self.refuse(f"has more than {MOST_LAYERS} layers")
        return versions

    def layer(self, version: int) -> None:
        """What a layer is, its numbers, and the state in which training left it."""
        kind = self.text()
        if kind == "con_4":
            self.convolution()
        elif kind == "affine_":
            self.affine()
        elif kind == "fc_2":
            self.dense()
        elif kind in ("max_pool_2", "avg_pool_2"):
            for _ in range(6):
                self.within(0, WIDEST)  # rows, columns, strides and padding
        elif kind not in ("relu_", "add_prev_"):
            self.refuse(f"has a layer `{kind}`, which is not read here")
        for _ in range(3):
            self.flag()
        for _ in range(3):
            if prod(self.shape()):
                self.refuse(f"holds gradients or pictures with its layer `{kind}`")
        if version == FIRST:
            self.within(1, 1)

    def convolution(self) -> None:
        shape, numbers = self.parameters()
        filters = self.within(1, WIDEST)
        rows, columns = self.within(1, 15), self.within(1, 15)
        for _ in range(4):
            self.within(0, 15)  # strides and padding
        weight, bias = self.alias(), self.alias()
        self.multipliers()
        if (
            weight != (filters, weight[1], rows, columns)
            or bias != (1, filters, 1, 1)
            or shape != (prod(weight) + filters, 1, 1, 1)
        ):
            self.refuse("has a convolution whose sizes disagree")
        self.keep("conv", weight=numbers[:-filters].reshape(weight), bias=numbers[-filters:])

    def affine(self) -> None:
        shape, numbers = self.parameters()
        gamma, beta = self.alias(), self.alias()
        self.within(0, 1)  # over planes or over single numbers
        width = gamma[1]
        if not (width and gamma == beta == (1, width, 1, 1) and shape == (2 * width, 1, 1, 1)):
            self.refuse("has a scaling whose sizes disagree")
        self.keep("affine", gamma=numbers[:width], beta=numbers[width:])

    def dense(self) -> None:
        outputs, inputs = self.within(1, WIDEST), self.within(1, WIDEST)
        shape, numbers = self.parameters()
        weight, bias = self.alias(), self.alias()
        mode = self.within(0, WITHOUT_BIAS)
        self.multipliers()
        if shape != weight or weight != (inputs, outputs, 1, 1) or any(bias):
            self.refuse("has a dense layer whose sizes disagree")
        if mode != WITHOUT_BIAS:
            self.refuse("has a dense layer with a bias, which is not read here")
        self.keep("dense", weight=numbers.reshape(inputs, outputs).t().contiguous())

    def keep(self, kind: str, **parts: Tensor) -> None:
        """Name the tensors of the next layer of a kind."""
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        self.tensors |= {f"{kind}.{number}.{part}": tensor for part, tensor in parts.items()}

    # What dlib writes its layers with.

    def parameters(self) -> tuple[Shape, Tensor]:
        """A tensor with its numbers as one row."""
        shape = self.shape()
        return shape, self.cursor.tensor([prod(shape)], "f4", "a layer")

    def shape(self) -> Shape:
        """The header of a tensor."""
        if self.integer() != 2:
            self.refuse("holds a tensor in a form that is not read here")
        return self._four(LARGEST)

    def alias(self) -> Shape:
        """A view on the numbers of a layer: its shape alone."""
        if self.integer() != 1:
            self.refuse("holds a view of a tensor in a form that is not read here")
        return self._four(WIDEST)

    def multipliers(self) -> None:
        """Learning rates and decays of weights and biases, of no use here."""
        for _ in range(4):
            self.real()

    def _four(self, high: int) -> Shape:
        one, two, three, four = (self.within(0, high) for _ in range(4))
        return one, two, three, four

    def within(self, low: int, high: int) -> int:
        """An integer that must lie between two bounds."""
        value = self.integer()
        if not low <= value <= high:
            self.refuse(f"has {value} where {low} to {high} is possible")
        return value

    def integer(self) -> int:
        """A packed integer of at most eight bytes."""
        (head,) = self.cursor.take(1, "a number")
        size = head & LENGTH
        if head & ~(NEGATIVE | LENGTH) or not 1 <= size <= 8:
            self.refuse("holds a number that dlib does not write")
        value = int.from_bytes(self.cursor.take(size, "a number"), "little")
        return -value if head & NEGATIVE else value

    def real(self) -> None:
        """A float as mantissa and exponent, of no use here; infinities have wider exponents."""
        self.within(-(1 << 53), 1 << 53)
        self.within(-1100, 1000)

    def flag(self) -> None:
        if bytes(self.cursor.take(1, "a flag")) not in (b"0", b"1"):
            self.refuse("has a flag that is neither set nor unset")

    def text(self) -> str:
        raw = bytes(self.cursor.take(self.within(0, LONGEST_NAME), "a name"))
        if not raw.isascii() or not raw.decode("ascii").isprintable():
            self.refuse("has a layer whose name is no text")
        return raw.decode("ascii")

    def refuse(self, what: str) -> NoReturn:
        raise malformed(self.cursor.name, what)


def dlib_counts(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """How many layers of each kind `dlib_tensors` read."""
    layers = {tuple(key.split(".")[:2]) for key in tensors}
    kinds = [kind for kind, _ in layers]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
