"""Published containers with random weights: recognised, run, right size and range."""

import pytest
import torch

from engine.core.errors import MissingWeightsError, WeightsError
from engine.enhance import models
from engine.enhance.base import ENHANCERS
from engine.enhance.models import read_model, weights_of
from engine.images.raster import Raster
from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.spandrel import spandrel
from engine.weights.native import read_native, save_native
from engine.weights.terms import OURS, UNKNOWN
from tests.engine.enhance.conftest import compact

CPU = torch.device("cpu")


def rrdb(blocks=1, **more):
    torch.manual_seed(0)
    return spandrel().architectures.ESRGAN.ESRGAN(num_blocks=blocks, num_filters=8, **more)


def old_names(net):
    """The state of an RRDB under the names of ESRGAN's first release, which spandrel keeps."""
    return net.state_dict()


def new_names(state):
    """The same under BasicSR's names, in which Real-ESRGAN was published."""
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[:3] == ["model", "1", "sub"]:
            rest = parts[3:]
            if rest[0].isdigit() and rest[1].startswith("RDB"):
                block, dense, conv = rest[0], rest[1][3:], rest[2].removeprefix("conv")
                renamed[f"body.{block}.rdb{dense}.conv{conv}.{rest[-1]}"] = value
            else:
                renamed[f"conv_body.{rest[-1]}"] = value
            continue
        kinds = {"0": "conv_first", "3": "conv_up1", "6": "conv_up2", "8": "conv_hr",
                 "10": "conv_last"}  # fmt: skip
        renamed[f"{kinds[parts[1]]}.{parts[-1]}"] = value
    return renamed


def saved(tmp_path, content, name="weights.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def enlarged(path, expected):
    """A 20 x 28 picture through the step that a file is for."""
    step = ENHANCERS["esrgan"](kind="esrgan", weights=str(path))
    built = step.build(step.model(CPU), CPU)
    pixels = torch.randint(0, 256, (20, 28, 3), dtype=torch.uint8).numpy()
    made = built.apply(Raster(pixels)).picture
    assert made.pixels.shape == (20 * expected, 28 * expected, 3)
    assert made.pixels.std() > 0
    return made.pixels


def test_rrdb_of_the_first_release(tmp_path):
    path = saved(tmp_path, old_names(rrdb()))
    assert read_model(path).architecture == "ESRGAN"
    enlarged(path, 4)


def test_rrdb_under_its_new_names_is_the_same_network(tmp_path):
    state = old_names(rrdb())
    old = saved(tmp_path, state, "old.pth")
    new = saved(tmp_path, {"params_ema": new_names(state)}, "new.pth")
    torch.manual_seed(1)
    one = enlarged(old, 4)
    torch.manual_seed(1)
    assert (one == enlarged(new, 4)).all()


def test_the_network_with_twelve_channels_doubles(tmp_path):
    state = old_names(rrdb(in_nc=12, shuffle_factor=2))
    assert state["model.0.weight"].shape[1] == 12
    model = read_model(saved(tmp_path, {"params_ema": new_names(state)}))
    assert model.scale == 2
    enlarged(tmp_path / "weights.pth", 2)


@pytest.mark.parametrize("ending", ["pth", "pt", "bin", "ckpt"])
def test_compact_under_any_ending(tmp_path, ending):
    path = saved(tmp_path, {"params": compact(4).state_dict()}, f"w.{ending}")
    assert read_model(path).architecture == "Compact"
    enlarged(path, 4)


def test_our_own_compact_is_read_by_everybody(tmp_path):
    """The shipped file's form: a card in the header, keys as spandrel knows them."""
    net, path = compact(), tmp_path / "ours.safetensors"
    save_native(path, Checkpoint("native", {"compact": net.state_dict()}, facts={"bare": True}))
    theirs = spandrel().ModelLoader("cpu").load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("Compact", 2)
    ours = read_model(path)
    assert ours.licence == OURS
    picture = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(ours.net(picture), theirs(picture))
    again = read_native(path)
    assert again is not None
    assert again.part("compact").keys() == net.state_dict().keys()


def test_a_divisor_of_the_scale_is_accepted(tmp_path):
    path = saved(tmp_path, compact(4).state_dict())
    choice = ENHANCERS["esrgan"](kind="esrgan", weights=str(path), outscale=2)
    built = choice.build(choice.model(CPU), CPU)
    pixels = torch.randint(0, 256, (20, 28, 3), dtype=torch.uint8).numpy()
    assert built.apply(Raster(pixels)).picture.pixels.shape == (40, 56, 3)
    odd = ENHANCERS["esrgan"](kind="esrgan", weights=str(path), outscale=3)
    with pytest.raises(Exception, match="of which 3 is no divisor"):
        odd.build(odd.model(CPU), CPU)


def test_a_web_page_is_reported_as_one(tmp_path):
    page = tmp_path / "GFPGANv1.4.pth"
    page.write_text("<!DOCTYPE html><html><title>Quota exceeded</title></html>")
    with pytest.raises(WeightsError, match="is a web page, not a weights file"):
        read_model(page)


def test_the_first_gfpgan_is_refused_by_name(tmp_path):
    state = {
        "toRGB.0.weight": torch.zeros(3, 8, 1, 1),
        "stylegan_decoder.style_mlp.1.weight": torch.zeros(8, 8),
        "conv_body_first.0.weight": torch.zeros(8, 3, 1, 1),
        "conv_body_first.1.bias": torch.zeros(8),
    }
    with pytest.raises(WeightsError, match="GFPGANv1") as caught:
        read_model(saved(tmp_path, {"params_ema": state}, "GFPGANv1.pth"))
    assert "GFPGANv1.4" in str(caught.value.hint)


def test_other_files_are_refused_with_a_reason(tmp_path):
    with pytest.raises(WeightsError, match="no checkpoint that is known"):
        read_model(saved(tmp_path, {"some.weight": torch.zeros(3)}))
    with pytest.raises(WeightsError, match="no checkpoint that is known"):
        read_model(saved(tmp_path, [torch.zeros(3)], "list.pth"))
    broken = compact().state_dict()
    broken["body.2.weight"] = torch.zeros(5, 5)
    with pytest.raises(WeightsError, match="its tensors do not fit"):
        read_model(saved(tmp_path, broken, "broken.pth"))


def test_code_in_a_file_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    with pytest.raises(WeightsError, match="asks to run"):
        read_model(saved(tmp_path, {"params": Bomb()}))


def test_published_weights_go_before_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("TM_WEIGHTS", str(tmp_path))
    step = ENHANCERS["gfpgan"](kind="gfpgan")
    monkeypatch.setattr(models, "shipped_weights", dict)
    with pytest.raises(MissingWeightsError, match="gfpgan"):
        step.file()
    ours = tmp_path / "ours.safetensors"
    monkeypatch.setattr(models, "shipped_weights", lambda: {"nano-face": ours})
    assert step.file() == ("nano-face", ours)
    torch.save({"params": compact().state_dict()}, tmp_path / "GFPGANv1.3.pth")
    name, path = step.file()
    assert (name, path.name) == ("gfpgan-1.3", "GFPGANv1.3.pth")
    assert weights_of(str(ours.parent / "GFPGANv1.3.pth"), (), "x")[1] == path


def test_the_licence_is_that_of_the_manifest(tmp_path):
    known = saved(tmp_path, compact().state_dict(), "RealESRGAN_x2plus.pth")
    assert "BSD" in read_model(known).licence
    assert read_model(saved(tmp_path, compact().state_dict(), "mine.pth")).licence == UNKNOWN


def test_a_network_for_another_step_is_refused(tmp_path, compact_file, face_file):
    for kind, file in (("gfpgan", compact_file), ("ddcolor", face_file), ("esrgan", face_file)):
        choice = ENHANCERS[kind](kind=kind, weights=str(file))
        with pytest.raises(Exception, match="which (restores|colours|enlarges)"):
            choice.build(choice.model(CPU), CPU)
