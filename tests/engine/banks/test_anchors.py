"""Anchors include the latent average, outliers do not move them, other networks are refused."""

import numpy as np
import pytest
import torch

from engine.banks.anchors import (
    AgeAnchors,
    Prototypes,
    age_anchors,
    anchors_of_photos,
    prototypes,
    prototypes_of_photos,
)
from engine.banks.faces import NO_AGE, faces_in, read_portrait
from engine.banks.files import save_bank
from engine.core.errors import InputError, WeightsError
from engine.core.progress import Silence
from engine.data.ages import AgeSource
from engine.images.saving import save_png
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec
from engine.nets.timemachine import TimeMachine

CPU = torch.device("cpu")
STYLES, WIDTH = 8, 10


def encoder(planes):
    spec = EncoderSpec(
        planes=planes,
        n_styles=STYLES,
        size=64,
        style_width=WIDTH,
        widths=(4, 8, 12, 16),
        depths=(1, 1, 1, 1),
    )
    return GradualStyleEncoder(spec)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TimeMachine(
        psp=encoder(3),
        sam=encoder(4),
        decoder=Generator(GeneratorSpec(32, (12, 10, 8, 6), WIDTH, mapping_layers=1)),
        latent_average=3 + torch.randn(STYLES, WIDTH),
    ).eval()


def codes_at(*values):
    return torch.stack([torch.full((2, 3), float(value)) for value in values])


def anchored(values, ages, **more):
    average = torch.zeros(2, 3)
    return age_anchors(
        codes_at(*values), torch.tensor(ages), latent_average=average, prior="p", **more
    )


def test_anchors_include_the_latent_average(faces, model, tmp_path):
    """Without it, every code would move towards minus the latent average."""
    path = tmp_path / "anchors.safetensors"
    photos = faces_in(faces, AgeSource())
    anchors, measured = anchors_of_photos(photos, model, Silence(), device=CPU)
    anchors.save(path)
    anchors = AgeAnchors.read(path)
    photo = torch.nn.functional.interpolate(
        read_portrait(faces / "40_0.png"), size=(64, 64), mode="bilinear", antialias=True
    )
    with torch.no_grad():
        codes, raw = model.invert(photo), model.psp(photo)
    torch.testing.assert_close(anchors.nearest(torch.tensor([40.0])), codes)
    assert (anchors.nearest(torch.tensor([40.0])) - raw).abs().mean() > 1
    assert len(measured.ages) == 6
    anchors.require_frame(model.latent_average)


def test_codes_on_another_latent_average_are_refused(model):
    with pytest.raises(WeightsError, match="another latent average"):
        anchored([1, 2], [20.0, 40.0]).require_frame(model.latent_average)
    with pytest.raises(WeightsError, match="another latent average"):
        anchored([1, 2], [20.0, 40.0]).require_frame(torch.full((2, 3), 0.01))


def test_codes_of_another_shape_than_the_average_are_refused():
    with pytest.raises(ValueError, match="do not go with"):
        age_anchors(codes_at(1), torch.tensor([1.0]), latent_average=torch.ones(3, 3), prior="p")


def test_bins_begin_at_multiples_of_5_and_have_the_mean_age():
    anchors = anchored([1, 2, 3, 7], [44.0, 40.0, 45.0, 0.0])
    assert anchors.ages.tolist() == [0, 42, 45]
    assert anchors.counts.tolist() == [1, 2, 1]
    assert anchors.codes[:, 0, 0].tolist() == [7, 1.5, 3]


def test_bin_size():
    assert anchored([1, 2, 3, 4], [44.0, 40.0, 45.0, 2.0], bin_size=10).counts.tolist() == [1, 3]


def test_the_nearest_anchor_is_taken_beyond_the_ages_too():
    anchors = anchored([1, 2, 3], [20.0, 40.0, 60.0])
    near = anchors.nearest(torch.tensor([0.0, 29.0, 31.0, 99.0]))
    assert near[:, 0, 0].tolist() == [1, 1, 2, 3]


def test_an_outlier_does_not_move_the_anchor():
    inliers = [1.0, 1.1, 0.9, 1.05, 0.95]
    anchors = anchored([*inliers, 50.0], [40.0] * 6)
    assert anchors.counts.tolist() == [5]
    torch.testing.assert_close(anchors.codes, codes_at(np.mean(inliers)))


def test_two_or_three_codes_are_all_kept():
    assert anchored([1, 1, 9], [40.0] * 3).counts.tolist() == [3]


def test_equal_codes_are_all_kept():
    assert anchored([2] * 5, [40.0] * 5).counts.tolist() == [5]


def test_wide_codes_are_not_all_outliers():
    """A test of every coordinate would remove nearly all of them: a code has 9216."""
    codes = torch.randn(50, 18, 512, generator=torch.Generator().manual_seed(0))
    average = torch.zeros(18, 512)
    anchors = age_anchors(codes, torch.full((50,), 40.0), latent_average=average, prior="p")
    assert anchors.counts[0] > 40


def test_anchors_survive_a_round_trip(tmp_path):
    anchors = anchored([1, 2, 3], [20.0, 40.0, 60.0], bin_size=10)
    anchors.save(tmp_path / "a.safetensors")
    read = AgeAnchors.read(tmp_path / "a.safetensors")
    assert torch.equal(read.codes, anchors.codes)
    assert torch.equal(read.latent_average, anchors.latent_average)
    assert (read.prior, read.bin_size) == ("p", 10)


def test_prototypes_are_unit_means_by_whole_year(identity_net):
    embeddings = torch.nn.functional.normalize(torch.randn(4, 8), dim=1)
    table = prototypes(embeddings, torch.tensor([40.0, 39.6, 28.9999, 57.0]), identity_net)
    assert table.ages.tolist() == [29, 40, 57]
    assert table.counts.tolist() == [1, 2, 1]
    torch.testing.assert_close(table.embeddings.norm(dim=1), torch.ones(3))
    mean = embeddings[:2].mean(dim=0)
    torch.testing.assert_close(table.nearest(torch.tensor([38.0]))[0], mean / mean.norm())


def test_prototypes_require_their_network(faces, identity_net, other, tmp_path):
    (faces / "unnamed.png").write_bytes((faces / "19_4.png").read_bytes())
    save_png(faces / "33_7.png", np.zeros((20, 30, 3), np.uint8), {})
    path = tmp_path / "p.safetensors"
    table, measured = prototypes_of_photos(
        faces_in(faces, AgeSource()), identity_net, Silence(), device=CPU
    )
    table.save(path)
    assert table.ages.tolist() == [19, 21, 22, 23, 40, 60]
    assert dict(measured.left_out) == {
        "unnamed.png": NO_AGE,
        "33_7.png": "is not aligned: 30 x 20 px is no square",
    }
    read = Prototypes.read(path)
    picture = read_portrait(faces / "21_1.png")
    torch.testing.assert_close(read.embeddings[1], identity_net.embed(picture)[0])
    read.require(identity_net)
    with pytest.raises(WeightsError, match=f"{identity_net.digest}.*{other.digest}"):
        read.require(other)


def test_files_of_another_kind_are_refused(tmp_path, identity_net, bank):
    prototypes(torch.eye(8), torch.arange(8.0), identity_net).save(tmp_path / "p.safetensors")
    save_bank(tmp_path / "b.safetensors", bank)
    with pytest.raises(WeightsError, match="holds `prototypes`, not `anchors`"):
        AgeAnchors.read(tmp_path / "p.safetensors")
    with pytest.raises(WeightsError, match="holds `bank`, not `prototypes`"):
        Prototypes.read(tmp_path / "b.safetensors")


def test_photos_without_ages_give_no_anchors(tmp_path, identity_net):
    save_png(tmp_path / "faces" / "unnamed.png", np.zeros((32, 32, 3), np.uint8), {})
    photos = faces_in(tmp_path / "faces", AgeSource())
    with pytest.raises(InputError, match=NO_AGE):
        prototypes_of_photos(photos, identity_net, Silence(), device=CPU)
