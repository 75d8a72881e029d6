"""dlib's files: what was written is read, and nothing hostile gets further than an error."""

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.formats.dlib_dat import dlib_counts, dlib_tensors, read_dlib

NUMBERS = np.random.default_rng(0)


def integer(value):
    raw = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    return bytes([len(raw) | (0x80 if value < 0 else 0)]) + raw


def real(value, exponent=-24):
    return integer(round(value * 2**-exponent)) + integer(exponent)


def text(value):
    return integer(len(value)) + value.encode()


def tensor(values, shape):
    return integer(2) + b"".join(map(integer, shape)) + values.astype("<f4").tobytes()


def alias(*shape):
    return integer(1) + b"".join(map(integer, shape))


NOTHING = tensor(np.zeros(0), (0, 0, 0, 0))
STATE = b"110" + NOTHING * 3
RATES = real(1) + real(1) + real(1) + real(0)


def conv(weight, bias, stride=1):
    out, into, rows, columns = weight.shape
    values = np.concatenate([weight.ravel(), bias])
    geometry = [out, rows, columns, stride, stride, 0, 0]
    return (
        text("con_4")
        + tensor(values, (values.size, 1, 1, 1))
        + b"".join(map(integer, geometry))
        + alias(out, into, rows, columns)
        + alias(1, out, 1, 1)
        + RATES
    )


def affine(gamma, beta):
    width = len(gamma)
    values = tensor(np.concatenate([gamma, beta]), (2 * width, 1, 1, 1))
    return text("affine_") + values + alias(1, width, 1, 1) * 2 + integer(0)


def pool(kind, *geometry):
    return text(kind) + b"".join(map(integer, geometry))


def dense(weight):
    into, out = weight.shape
    head = text("fc_2") + integer(out) + integer(into) + tensor(weight, (into, out, 1, 1))
    return head + alias(into, out, 1, 1) + alias(0, 0, 0, 0) + integer(1) + RATES


def network():
    """A small network as dlib writes it, piece by piece, and its tensors."""
    one, bias = NUMBERS.normal(size=(4, 3, 3, 3)), NUMBERS.normal(size=4)
    gamma, beta = NUMBERS.normal(size=4), NUMBERS.normal(size=4)
    two, more = NUMBERS.normal(size=(4, 4, 1, 1)), NUMBERS.normal(size=4)
    last = NUMBERS.normal(size=(4, 2))
    pieces = {
        "start": integer(1) + text("loss_metric_2") + real(0.04) + real(0.6),
        "versions": integer(2) * 4 + integer(1) + integer(2) * 3 + integer(3),
        "input": text("input_rgb_image_sized") + real(122) + real(117) + real(104),
        "sizes": integer(8) + integer(8),
        "conv": conv(one, bias, 2),
        "conv state": STATE + integer(1),
        "affine": affine(gamma, beta) + STATE,
        "relu": text("relu_") + STATE,
        "max pool": pool("max_pool_2", 3, 3, 2, 2, 0, 0) + STATE,
        "second conv": conv(two, more) + STATE,
        "add": text("add_prev_") + STATE,
        "avg pool": pool("avg_pool_2", 0, 0, 1, 1, 0, 0) + STATE,
        "dense": dense(last) + STATE,
    }
    tensors = {
        "conv.0.weight": one, "conv.0.bias": bias, "affine.0.gamma": gamma, "affine.0.beta": beta,
        "conv.1.weight": two, "conv.1.bias": more, "dense.0.weight": last.T,
    }  # fmt: skip
    return pieces, {key: torch.tensor(value, dtype=torch.float32) for key, value in tensors.items()}


PIECES, TENSORS = network()
DATA = b"".join(PIECES.values())


def read(data):
    return dlib_tensors(data, name="x.dat")


def test_a_network_is_read_as_it_was_written(tmp_path, hostile):
    assert hostile.same(read(DATA), TENSORS)
    assert dlib_counts(read(DATA)) == {"affine": 1, "conv": 2, "dense": 1}
    (tmp_path / "net.dat").write_bytes(DATA)
    assert hostile.same(read_dlib(tmp_path / "net.dat"), TENSORS)


def piece(name, value):
    """The file with one piece replaced; `value` may also make it from the old one."""

    def mutated():
        old = PIECES[name]
        new = value(old) if callable(value) else value
        assert new != old
        return b"".join((PIECES | {name: new}).values())

    return mutated


def within(name, old, new):
    """The file with the first `old` of one piece replaced."""

    def change(raw):
        assert old in raw
        return raw.replace(old, new, 1)

    return piece(name, change)


ONE, TWO, BIAS = NUMBERS.normal(size=(4, 3, 3, 3)), NUMBERS.normal(size=(4, 2)), np.zeros(4)
SHAPE = integer(112) + integer(1) * 3
REFUSED = {
    "empty": lambda: b"",
    "another version": within("start", integer(1), integer(2)),
    "a negative version": within("start", integer(1), integer(-1)),
    "another loss": within("start", b"loss_metric_2", b"loss_metric_9"),
    "a loss of code": within("start", b"loss_metric_2", b"__import__('o"),
    "a name of zeros": within("start", b"loss_metric_2", bytes(13)),
    "a name not in ASCII": within("start", b"loss_metric_2", b"loss_metric\xc3\xa9"),
    "a name of huge length": within("start", text("loss_metric_2"), integer(1 << 60)),
    "a name of negative length": within("start", integer(13), integer(-13)),
    "an integer of no bytes": piece("versions", b"\x00"),
    "an integer of nine bytes": piece("versions", b"\x09" + b"\1" * 9),
    "an integer with strange bits": piece("versions", lambda raw: b"\x11" + raw[1:]),
    "no versions": piece("versions", b""),
    "no end of versions": piece("versions", integer(2) * 9),
    "thousands of versions": piece("versions", integer(2) * 5000 + integer(3)),
    "a version of zero": within("versions", integer(1), integer(0)),
    "a version of four": within("versions", integer(1), integer(4)),
    "a huge version": within("versions", integer(1), integer(1 << 62)),
    "one layer more": piece("versions", lambda raw: integer(2) + raw),
    "one layer less": piece("versions", lambda raw: raw[2:]),
    "a tag for a layer": within("versions", integer(2), integer(1)),
    "another input": within("input", b"input_rgb_image_sized", b"input_rgb_image_shape"),
    "an input of grey": within("input", text("input_rgb_image_sized"), text("input")),
    "a mean that is endless": within("input", real(122), integer(0) + integer(32000)),
    "a mean that is not a number": within("input", real(122), integer(0) + integer(32002)),
    "a huge mean": within("input", real(122), integer(1 << 60) + integer(900)),
    "a tiny exponent": within("input", real(122), integer(1) + integer(-(1 << 50))),
    "a picture of no rows": piece("sizes", integer(0) + integer(8)),
    "a picture of negative rows": piece("sizes", integer(-8) + integer(8)),
    "a huge picture": piece("sizes", integer(1 << 40) + integer(8)),
    "a layer unknown": within("conv", text("con_4"), text("lstm_1")),
    "a layer of another version": within("conv", b"con_4", b"con_5"),
    "a layer without a name": within("conv", text("con_4"), text("")),
    "a tensor of another version": within("conv", integer(2) + SHAPE, integer(1) + SHAPE),
    "a tensor of one number more": within("conv", SHAPE, integer(113) + integer(1) * 3),
    "a tensor of one number less": within("conv", SHAPE, integer(111) + integer(1) * 3),
    "a tensor of no numbers": within("conv", SHAPE, integer(0) + integer(1) * 3),
    "a tensor of negative size": within("conv", SHAPE, integer(-112) + integer(1) * 3),
    "a tensor of two negative sizes": within(
        "conv", SHAPE, integer(-112) + integer(-1) + integer(1) * 2
    ),
    "a huge tensor": within("conv", SHAPE, integer(1 << 40) + integer(1) * 3),
    "a tensor huge together": within("conv", SHAPE, integer(1 << 26) * 4),
    "a tensor beyond 64 bits": within("conv", SHAPE, integer((1 << 63) - 1) * 4),
    "another order of sizes": within("conv", SHAPE, integer(1) + integer(112) + integer(1) * 2),
    "filters of nothing": within("conv", integer(4) + integer(3), integer(0) + integer(3)),
    "filters that disagree": within("conv", integer(4) + integer(3), integer(5) + integer(3)),
    "huge filters": within("conv", integer(4) + integer(3), integer(1 << 50) + integer(3)),
    "rows that disagree": within("conv", integer(4) + integer(3), integer(4) + integer(2)),
    "huge rows": within("conv", integer(4) + integer(3), integer(4) + integer(99)),
    "a view of another version": within("conv", alias(4, 3, 3, 3), alias(4, 3, 3, 3)[2:] + b"\1\1"),
    "a view that disagrees": within("conv", alias(4, 3, 3, 3), alias(4, 4, 3, 3)),
    "a view turned round": within("conv", alias(4, 3, 3, 3), alias(3, 4, 3, 3)),
    "a view of nothing": within("conv", alias(4, 3, 3, 3), alias(0, 0, 0, 0)),
    "a negative view": within("conv", alias(4, 3, 3, 3), alias(-4, -3, 3, 3)),
    "a bias that disagrees": within("conv", alias(1, 4, 1, 1), alias(1, 3, 1, 1)),
    "a bias of the wrong axis": within("conv", alias(1, 4, 1, 1), alias(4, 1, 1, 1)),
    "an endless rate": within("conv", RATES, integer(0) + integer(32001) + RATES[4:]),
    "a flag that is none": within("conv state", b"110", b"120"),
    "a flag of zero": within("conv state", b"110", b"\0" * 3),
    "gradients kept": within("conv state", NOTHING, tensor(np.zeros(2), (2, 1, 1, 1))),
    "huge gradients": within("conv state", NOTHING, integer(2) + integer(1 << 26) * 4),
    "gradients of another version": within("conv state", NOTHING, integer(9) + NOTHING[2:]),
    "an expansion of two": piece("conv state", STATE + integer(2)),
    "no expansion": piece("conv state", STATE),
    "a scaling that disagrees": piece("affine", affine(np.ones(3), np.ones(3))[:-1] + STATE),
    "a scaling of nothing": piece("affine", affine(np.ones(0), np.ones(0)) + STATE),
    "a scaling of another mode": piece("affine", affine(np.ones(4), np.ones(4))[:-2] + integer(7)),
    "a layer left out": piece("relu", b""),
    "a layer twice": piece("relu", lambda raw: raw * 2),
    "a pooling of negative rows": piece("max pool", pool("max_pool_2", -3, 3, 2, 2, 0, 0) + STATE),
    "a huge pooling": piece("max pool", pool("max_pool_2", 1 << 40, 3, 2, 2, 0, 0) + STATE),
    "a dense layer that disagrees": within("dense", alias(4, 2, 1, 1), alias(2, 4, 1, 1)),
    "a dense layer with a bias": within("dense", alias(0, 0, 0, 0), alias(1, 2, 1, 1)),
    "a dense layer of another mode": within("dense", integer(1) + RATES, integer(0) + RATES),
    "a huge dense layer": within("dense", integer(2) + integer(4), integer(1 << 33) + integer(4)),
    "bytes behind": lambda: DATA + b"\0",
    "twice": lambda: DATA * 2,
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_hostile_file_is_refused(case, hostile):
    mutated = REFUSED[case]()
    assert mutated != DATA
    assert hostile.refused(lambda: read(mutated))


HARMLESS = {
    "another margin": within("start", real(0.04), real(0.5)),
    "an integer with a byte to spare": within("sizes", integer(8), b"\x02\x08\x00"),
    "another state": within("relu", b"110", b"001"),
}


@pytest.mark.parametrize("case", list(HARMLESS))
def test_what_says_the_same_gives_the_same(case, hostile):
    assert hostile.same(read(HARMLESS[case]()), TENSORS)


def test_a_file_cut_short_is_refused(hostile):
    for shorter in hostile.cuts(DATA, 80):
        assert hostile.refused(lambda shorter=shorter: read(shorter))


def test_a_flipped_bit_changes_one_number_or_is_refused(hostile):
    refusals = 0
    for mutated in hostile.flips(DATA, 600):
        try:
            assert hostile.alike(read(mutated), TENSORS, changed=1)
        except WeightsError as error:
            hostile.require_sentence(error)
            refusals += 1
    assert refusals > 60


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(number, hostile):
    values = np.array([number] + [1.0] * 7)
    mutated = piece("affine", affine(values[:4], values[4:]) + STATE)()
    assert hostile.refused(lambda: read(mutated))
