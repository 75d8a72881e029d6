"""The published networks compute what their authors' code computes (`../shared/parity`)."""

import pytest
import torch
import torch.nn.functional as F

from engine.nets.adapter import Adapter
from engine.nets.age.dex_vgg import Dex
from engine.nets.age.mivolo import MiVolo
from engine.nets.agetransformer.v1 import PublishedTransformer
from engine.nets.agetransformer.v1_discriminator import PublishedDiscriminator
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder, with_age_plane
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.stylegan2.generator import Generator, truncated
from engine.nets.stylegan2.plain import synthesise
from engine.nets.timemachine import TimeMachine

AGES = (5, 40, 90)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def pooled(picture):
    return F.avg_pool2d(picture, picture.shape[-1] // 64)


def latent_average(parity):
    return 0.3 * parity.normal(4, 18, 512)


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_stylegan2_draws_the_published_picture(parity, size):
    name = f"stylegan2_{size}"
    tolerance = 2e-2 if size == 1024 else 1e-3
    net = Generator.from_state(parity.state(name, "stylegan2"))
    parity.assert_layout(name, net)
    w = net.map(parity.normal(1, 2, 512))
    parity.assert_golden(f"{name}/w_of_z", w)
    parity.assert_golden(f"{name}/z", pooled(net(net.repeated(w[:1]))), tolerance)
    picture = net(parity.normal(2, 1, net.spec.n_latent, 512))
    parity.assert_golden(f"{name}/wplus", pooled(picture), tolerance)
    if size == 64:
        parity.assert_golden("stylegan2_64/wplus_full", picture)
        # The plain form too: it is the baseline of every speed we tell.
        w_plus = parity.normal(2, 1, net.spec.n_latent, 512)
        plain = synthesise(net, w_plus, net.stored_noise())
        parity.assert_golden("stylegan2_64/wplus_full", plain)
    if size == 256:
        centre = net.map(parity.normal(3, 64, 512)).mean(dim=0)
        coarse, fine = truncated(w, centre, 0.7)[:, None]
        picture = net(net.mixed(coarse, fine, 4))
        parity.assert_golden("stylegan2_256/mix_trunc", pooled(picture))


def test_agetransformers_discriminator_computes_as_published(parity):
    """It is the one golden of a StyleGAN2 trunk as well."""
    net = PublishedDiscriminator.from_state(parity.state("agetransformer_d128", "stylegan2"))
    parity.assert_layout("agetransformer_d128", net)
    x = parity.image(128)
    judged = net(torch.cat([x, x.flip(3), 0.5 * x, -x]), torch.eye(10)[[0, 3, 5, 9]])
    parity.assert_golden("agetransformer/d_logit", judged.logits[0].flatten(1))
    parity.assert_golden("agetransformer/d_cls", judged.ages)


@pytest.mark.slow
@pytest.mark.parametrize("age", [0, 5, 9])
def test_agetransformer_draws_as_published(parity, age):
    net = PublishedTransformer.from_state(parity.state("agetransformer_g128", "agetransformer"))
    weights = torch.eye(10)[age]
    feature = net.encode(parity.image(128), weights[None])
    if age == 9:
        content = net.convs_ei(feature)
        parity.assert_golden("agetransformer/feature_mean", content.mean(dim=(2, 3)))
    parity.assert_golden(f"agetransformer/class{age}/image", net.picture(feature))


def test_arcface_embeds_as_published(parity):
    net = ArcFace.from_state(parity.state("irse50", "default"))
    parity.assert_layout("irse50", net)
    embedding = net.face_embedding(parity.image(256))
    parity.assert_golden("irse50/embedding", embedding)


def test_dex_reads_the_published_age(parity):
    net = Dex.from_state(parity.state("dex_vgg", "default"))
    parity.assert_layout("dex_vgg", net)
    image = parity.image(256)
    parity.assert_golden("dex_vgg/logits", net(image))
    parity.assert_golden("dex_vgg/age", net.age(image))


@pytest.mark.parametrize("name", ["mivolo_d1_face", "mivolo_d1_face_body"])
def test_mivolo_answers_as_published(parity, name):
    net = MiVolo.from_state(parity.state(name, "default"))
    parity.assert_layout(name, net)
    planes = parity.image(256, 6 if net.spec.with_body else 3)
    planes = F.interpolate(planes, size=(224, 224), mode="bilinear", align_corners=False)
    parity.assert_golden(f"{name}/out", net(planes))


def test_the_adapter_blends_as_published(parity):
    net = Adapter.from_state(parity.state("mytm_blender", "default"))
    parity.assert_layout("mytm_blender", net)
    inverted = parity.golden["psp_encoder/codes"] + latent_average(parity)
    codes = torch.cat([parity.golden[f"sam/age{age}/delta"] + inverted for age in AGES])
    blended = net(codes, torch.tensor(AGES))
    for row, age in zip(blended, AGES, strict=True):
        parity.assert_golden(f"mytm/age{age}/blended", row[None])


def test_psp_encodes_as_published(parity):
    net = GradualStyleEncoder.from_state(parity.state("psp_encoder", "encoder"))
    parity.assert_layout("psp_encoder", net)
    parity.assert_golden("psp_encoder/codes", net(parity.image(256)))


def test_sam_encodes_as_published(parity):
    net = GradualStyleEncoder.from_state(parity.state("sam_encoder", "encoder"))
    parity.assert_layout("sam_encoder", net)
    assert net.spec == EncoderSpec(planes=4)
    photos = parity.image(256).expand(3, -1, -1, -1)
    deltas = net(with_age_plane(photos, torch.tensor(AGES)))
    for row, age in zip(deltas, AGES, strict=True):
        parity.assert_golden(f"sam/age{age}/delta", row[None])


def test_the_forks_encoder_encodes_as_published(parity):
    net = GradualStyleEncoder.from_state(parity.state("fork_encoder", "encoder"))
    parity.assert_layout("fork_encoder", net)
    assert net.spec == EncoderSpec(planes=4, layout="fork")
    planes = with_age_plane(parity.image(256), torch.tensor([40]))
    parity.assert_golden("fork/age40/delta", net(planes))


@pytest.mark.slow
def test_the_whole_model_ages_as_published(parity):
    """SAM alone, then with the blender: encoders, average, adapter and generator as one."""
    model = TimeMachine(
        psp=GradualStyleEncoder.from_state(parity.state("psp_encoder", "encoder")),
        sam=GradualStyleEncoder.from_state(parity.state("sam_encoder", "encoder")),
        latent_average=latent_average(parity),
        decoder=Generator.from_state(parity.state("stylegan2_1024", "stylegan2")),
    )
    photo, ages = parity.image(256), torch.tensor(AGES)
    for row, age in zip(model(photo, ages).image, AGES, strict=True):
        parity.assert_golden(f"sam/age{age}/image64", pooled(row[None]), 2e-2)
    model.adapter = Adapter.from_state(parity.state("mytm_blender", "default"))
    image, w_plus = model(photo, ages)
    for row, codes, age in zip(image, w_plus, AGES, strict=True):
        parity.assert_golden(f"mytm/age{age}/image64", pooled(row[None]), 2e-2)
        parity.assert_golden(f"mytm/age{age}/blended", codes[None])
