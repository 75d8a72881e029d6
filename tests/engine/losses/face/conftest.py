"""Tiny frozen networks, and loss inputs on small pictures."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.banks.anchors import age_anchors, prototypes
from engine.losses.face.context import LossContext, References
from engine.losses.face.inputs import LossInputs
from engine.miners.base import Mined, Miner
from engine.nets.loading import frozen
from engine.runtime.draws import Draws

SIZE, WIDTH, STYLES, STYLE_WIDTH = 32, 8, 3, 5


def drawn(seed, build):
    torch.manual_seed(seed)
    return frozen(build())


class TinyIdentity:
    """A convolution and a linear layer; it counts the pictures that it embeds."""

    name, digest, width = "tiny", "0123456789abcdef", WIDTH

    def __init__(self):
        self.net = drawn(
            1, lambda: nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        )
        self.head = drawn(2, lambda: nn.Linear(24, WIDTH))
        self.count = 0

    def embed(self, pictures):
        self.count += len(pictures)
        return F.normalize(self.head(self.net(pictures).flatten(1)), dim=1)

    def embed_crops(self, crops):
        return self.embed(crops)


class Legible:
    """Reads the embedding that is written in the first row of the red plane."""

    name, digest, width = "legible", "fedcba9876543210", WIDTH

    def embed(self, pictures):
        return F.normalize(pictures[:, 0, 0, :WIDTH], dim=1)

    def embed_crops(self, crops):
        return self.embed(crops)


class TinyAges:
    name = "tiny-age"

    def __init__(self):
        self.net = drawn(3, lambda: nn.Conv2d(3, 1, 8, 8))

    def years(self, pictures):
        return 50 + 100 * self.net(pictures).mean(dim=(1, 2, 3))


class TinyPoints:
    name, domain = "tiny-points", "portraits"

    def __init__(self):
        self.net = drawn(4, lambda: nn.Conv2d(3, 8, 8, 8))
        self.head = drawn(5, lambda: nn.Linear(128, 136))

    def points(self, pictures):
        offset = self.head(self.net(pictures).flatten(1)).view(-1, 68, 2)
        return FACE.to(offset.device) * pictures.shape[-1] + offset


class TinyDistance:
    name = "features of tiny"

    def __init__(self):
        self.net = drawn(6, lambda: nn.Conv2d(3, 4, 3))

    def __call__(self, one, other):
        return (self.net(one) - self.net(other)).square().mean(dim=(1, 2, 3))


class TinyClassifier:
    size = 16

    def __init__(self):
        self.net = drawn(7, lambda: nn.Sequential(nn.Conv2d(3, 2, 16), nn.Flatten()))
        self.with_gradient = 0

    def __call__(self, pictures):
        self.with_gradient += torch.is_grad_enabled()
        return self.net(pictures)


class GivenMiner(Miner):
    """Always the same impostors, `counts` of them for each sample."""

    def __init__(self, impostors, counts=None):
        self.impostors, self.counts = impostors, counts

    def mine(self, anchors, ages, draws):
        assert not anchors.requires_grad
        k = len(self.impostors)
        counts = torch.full((len(anchors),), k) if self.counts is None else self.counts
        mask = (torch.arange(k) < counts[:, None]).to(anchors.device)
        # The padding must not be read.
        rows = torch.where(mask[..., None], self.impostors, 1e3)
        return Mined(rows, mask, counts, {"k_effective": counts.float().mean()})


def unit(*rows):
    """Unit vectors that begin with the numbers given."""
    vectors = torch.zeros(len(rows), WIDTH)
    for row, numbers in zip(vectors, rows, strict=True):
        row[: len(numbers)] = torch.tensor(numbers, dtype=torch.float32)
    return F.normalize(vectors, dim=1)


def face():
    """68 points of an upright face, in shares of the picture's side."""
    torch.manual_seed(8)
    points = torch.rand(68, 2) * 0.02
    points[:17] += torch.stack([torch.linspace(0.2, 0.8, 17), torch.full((17,), 0.7)], dim=1)
    parts = [
        (slice(17, 22), 0.35, 0.35),
        (slice(22, 27), 0.65, 0.35),
        (slice(27, 36), 0.5, 0.52),
        (slice(36, 42), 0.36, 0.43),
        (slice(42, 48), 0.64, 0.43),
        (slice(48, 68), 0.5, 0.72),
    ]
    for part, x, y in parts:
        turn = torch.arange(part.stop - part.start) * 2 * torch.pi / (part.stop - part.start)
        points[part] += torch.stack([x - 0.06 * turn.cos(), y + 0.06 * turn.sin()], dim=1)
    return points


FACE = face()


@pytest.fixture
def legible():
    return Legible()


@pytest.fixture
def face_points():
    return FACE


@pytest.fixture
def unit_rows():
    return unit


@pytest.fixture
def written():
    """Pictures on which `Legible` reads these embeddings."""

    def write(embeddings):
        pictures = torch.zeros(len(embeddings), 3, SIZE, SIZE)
        pictures[:, 0, 0, :WIDTH] = embeddings
        return pictures

    return write


@pytest.fixture
def given_miner():
    return GivenMiner


@pytest.fixture
def context():
    torch.manual_seed(9)
    identity_net = TinyIdentity()
    faces = F.normalize(torch.randn(6, WIDTH), dim=1)
    ages = torch.tensor([20.0, 25.0, 30.0, 35.0, 40.0, 50.0])
    average = torch.randn(STYLES, STYLE_WIDTH)
    codes = average + torch.randn(6, STYLES, STYLE_WIDTH)
    return LossContext(
        identity=identity_net,
        age=TinyAges(),
        perceptual=TinyDistance(),
        landmarks=TinyPoints(),
        miner=GivenMiner(F.normalize(torch.randn(5, WIDTH), dim=1)),
        references=References(faces, ages, identity_net.digest),
        anchors=age_anchors(codes, ages, latent_average=average, prior="a prior"),
        prototypes=prototypes(faces, ages, identity_net),
        classifier=TinyClassifier(),
        latent_average=average,
        domain="portraits",
    )


@pytest.fixture
def make(context):
    """Loss inputs of 4 samples, the last two at their own age; keyword arguments replace fields."""

    def build(**changes):
        torch.manual_seed(10)
        count = len(changes["target_age"]) if "target_age" in changes else 4
        source = torch.rand(count, 3, SIZE, SIZE) * 2 - 1
        w_prior = context.latent_average + torch.randn(count, STYLES, STYLE_WIDTH)
        inputs = LossInputs(
            source=source,
            output=(source + 0.3 * torch.randn_like(source)).clamp(-1, 1),
            source_age=torch.tensor([25.0, 30.0, 40.0, 40.0])[:count],
            target_age=torch.tensor([40.0, 41.0, 40.0, 40.0])[:count],
            w_plus=w_prior + 0.1 * torch.randn_like(w_prior),
            w_prior=w_prior,
            latent_average=context.latent_average,
            direction="real",
            same_age=torch.tensor([False, False, True, True])[:count],
            context=context,
            draws=Draws(seed=1, step=7, positions=range(count)),
        )
        return replace(inputs, memo={}, **changes)

    return build


@pytest.fixture
def on_meta():
    """Loss inputs and their networks on a device without values."""

    def moved(inputs):
        old = inputs.context
        for role in (old.identity, old.age, old.landmarks, old.perceptual, old.classifier):
            for net in vars(role).values():
                if isinstance(net, nn.Module):
                    net.to("meta")
        miner = GivenMiner(old.miner.impostors.to("meta"))
        tensors = {
            name: value.to("meta")
            for name in LossInputs.__dataclass_fields__
            if isinstance(value := getattr(inputs, name), torch.Tensor)
        }
        return replace(inputs, **tensors, context=replace(old.to("meta"), miner=miner), memo={})

    return moved


@pytest.fixture
def pick():
    """Some samples of loss inputs."""

    def chosen(inputs, places):
        rows = torch.tensor(places)
        names = ("source", "output", "source_age", "target_age", "w_plus", "w_prior", "same_age")
        return replace(
            inputs,
            **{name: getattr(inputs, name)[rows] for name in names},
            draws=replace(inputs.draws, positions=range(len(rows))),
            memo={},
        )

    return chosen
