"""Every loss of the landscape game: by hand in numbers, and what its slope reaches."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, judging_terms, painting_terms
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator, Verdict
from engine.landscapes.nets.encoder import Code, EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.schedules import parse_schedule

BATCH, LATENT = 4, 5
ASKS_THE_PAINTER = set(LANDSCAPE_LOSSES) - {"r1", "r2"}
ASKS_THE_JUDGE = {"hinge", "relativistic", "place", "r1", "r2"}
NEEDS_CODES = {"code_spread", "reconstruction", "perceptual"}


def distance(one, other):
    return pyramid_l1(one, other) + gradient_l1(one, other)


def loss_of(kind, **settings):
    return LANDSCAPE_LOSSES[kind](weight=parse_schedule(1.0), **settings)


@pytest.fixture
def trial():
    torch.manual_seed(3)
    widths = (8, 6)
    parts = LandscapeNetworks(
        LandscapeGenerator(GeneratorSpec(LATENT, widths, hidden=4)),
        LandscapeDiscriminator(DiscriminatorSpec((6, 8))),
        LandscapeEncoder(EncoderSpec(LATENT, (8,))),
        distance,
    )
    return LandscapeLossInputs(
        parts,
        real=torch.rand(BATCH, 3, 8, 8) * 2 - 1,
        places=torch.rand(BATCH, 2),
        asked=torch.rand(BATCH, 2),
        elsewhere=torch.rand(BATCH, 2),
        normal=torch.randn(BATCH, LATENT),
        other=torch.randn(BATCH, LATENT),
        augmented=lambda pictures: pictures,
        painting=True,
    )


def knowing(trial, **memo):
    """The trial with some of its findings given."""
    return replace(trial, memo=memo)


def verdicts(real, fake):
    places = torch.tensor([[0.5, 0.5], [0.25, 1.0]])
    return {
        "real": Verdict(torch.tensor(real), places),
        "fake": Verdict(torch.tensor(fake), places),
    }


def moved(net):
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


def test_the_lists_here_know_every_loss():
    known = ASKS_THE_PAINTER | ASKS_THE_JUDGE | NEEDS_CODES
    assert known == set(LANDSCAPE_LOSSES)


@pytest.mark.parametrize("kind", sorted(ASKS_THE_PAINTER))
def test_what_is_asked_of_the_painter_reaches_it_and_is_finite(kind, trial):
    settings = {"least": 2.0} if kind == "code_diversity" else {}
    settings |= {"reach": 9.0} if kind == "diversity_pair" else {}
    value = loss_of(kind, **settings).painting(trial)
    assert value.shape == ()
    value.backward()
    learner = trial.parts.encoder if kind == "code_spread" else trial.parts.generator
    assert moved(learner)
    for p in trial.parts.generator.parameters():
        assert p.grad is None or torch.isfinite(p.grad).all()


@pytest.mark.parametrize("kind", sorted(ASKS_THE_JUDGE))
def test_what_is_asked_of_the_judge_reaches_it_and_nobody_else(kind, trial):
    term = loss_of(kind).judging(replace(trial, painting=False), 0)
    term.value.backward()
    assert moved(trial.parts.discriminator)
    assert not moved(trial.parts.generator)
    assert not moved(trial.parts.encoder)


@pytest.mark.parametrize("kind", sorted(LANDSCAPE_LOSSES))
def test_only_losses_on_own_codes_need_an_encoder(kind):
    assert loss_of(kind).needs_encoder() is (kind in NEEDS_CODES)


@pytest.mark.parametrize("kind", ["reconstruction", "perceptual"])
def test_a_comparison_with_strangers_needs_no_encoder(kind, trial):
    loss = loss_of(kind, of="chance")
    assert not loss.needs_encoder()
    blind = replace(trial, parts=replace(trial.parts, encoder=None))
    assert loss.painting(blind) > 0
    with pytest.raises(ValueError, match="no encoder"):
        loss_of(kind).painting(replace(blind, memo={}))


def test_the_hinge_of_a_blind_judge_is_two(trial):
    blind = knowing(trial, **verdicts([0.0, 0.0], [0.0, 0.0]))
    assert loss_of("hinge").judging(blind, 0).value == pytest.approx(2)
    seen = knowing(trial, **verdicts([2.0, 0.5], [-3.0, 0.5]))
    # relu(1 - 2), relu(1 - .5); relu(1 - 3), relu(1 + .5); the painter wants high logits.
    assert loss_of("hinge").judging(seen, 0).value == pytest.approx(0.25 + 0.75)
    assert loss_of("hinge").painting(seen) == pytest.approx(1.25)


def test_the_relativistic_game_is_even_at_the_logarithm_of_two(trial):
    even = knowing(trial, **verdicts([0.3, -1.0], [0.3, -1.0]))
    assert loss_of("relativistic").judging(even, 0).value == pytest.approx(math.log(2))
    ahead = knowing(trial, **verdicts([1.0, 1.0], [-1.0, -1.0]))
    assert loss_of("relativistic").judging(ahead, 0).value == pytest.approx(
        math.log1p(math.exp(-2))
    )
    assert loss_of("relativistic").painting(ahead) == pytest.approx(math.log1p(math.exp(2)))


def test_places_are_compared_with_what_was_asked_and_learned_on_real_pictures(trial):
    two = replace(
        knowing(trial, **verdicts([0.0, 0.0], [0.0, 0.0])),
        places=torch.tensor([[0.5, 0.5], [0.25, 1.0]]),
        asked=torch.tensor([[0.5, 0.5], [0.25, 0.0]]),
    )
    loss = loss_of("place", judge=0.5)
    assert loss.painting(two) == pytest.approx(1 / 4)
    assert loss.judging(two, 0) == (pytest.approx(0), 0.5)


def test_reconstruction_is_the_mean_square_of_pixels(trial):
    off = knowing(trial, rebuilt=trial.real + 0.3)
    assert loss_of("reconstruction").painting(off) == pytest.approx(0.09, rel=1e-5)
    assert loss_of("perceptual").painting(off) > loss_of("perceptual").painting(
        knowing(trial, rebuilt=trial.real + 0.1)
    )


def test_codes_that_are_standard_normal_cost_nothing(trial):
    normal = knowing(trial, code=Code(torch.zeros(2, LATENT), torch.zeros(2, LATENT)))
    assert loss_of("code_spread").painting(normal) == pytest.approx(0)
    # Mean 1 costs a half; variance e costs (e - 2) / 2.
    off = knowing(trial, code=Code(torch.ones(2, LATENT), torch.ones(2, LATENT)))
    assert loss_of("code_spread").painting(off) == pytest.approx(0.5 + (math.e - 2) / 2, rel=1e-5)


def test_diversity_is_nought_where_pictures_differ_as_their_places_do(trial):
    asked = torch.tensor([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    flat = torch.tensor([0.0, 0.2, 0.4])[:, None, None, None].expand(3, 3, 4, 4)
    alike = replace(knowing(trial, painted=flat), asked=asked)
    assert loss_of("diversity").painting(alike) == pytest.approx(0, abs=1e-4)
    # All pictures the same: the mean of 0, .5, 1 over all nine pairs is 4 / 9.
    same = replace(knowing(trial, painted=torch.zeros(3, 3, 4, 4)), asked=asked)
    assert loss_of("diversity").painting(same) == pytest.approx(4 / 9)
    alone = replace(trial, asked=asked[:1])
    assert loss_of("diversity").painting(alone) == 0


def test_diversity_has_finite_slopes_where_pictures_are_the_same(trial):
    pictures = torch.zeros(3, 3, 4, 4, requires_grad=True)
    same = replace(knowing(trial, painted=pictures * 1.0), asked=torch.rand(3, 2))
    loss_of("diversity").painting(same).backward()
    assert torch.isfinite(pictures.grad).all()


def test_the_same_code_elsewhere_must_differ_by_the_way_between(trial):
    grey = torch.zeros(2, 3, 16, 16)
    pair = replace(
        knowing(trial, painted=grey, twins=grey + 0.1),
        asked=torch.tensor([[0.0, 0.0], [0.3, 0.4]]),
        elsewhere=torch.tensor([[0.6, 0.8], [0.3, 0.4]]),
    )
    # Wanted 0.3 x 1 and 0; found 0.1 and 0.1.
    assert loss_of("diversity_pair", reach=0.3).painting(pair) == pytest.approx(0.1, rel=1e-5)


def test_another_code_must_differ_by_the_least_and_no_more(trial):
    grey = torch.zeros(2, 3, 16, 16)
    near = knowing(trial, painted=grey, mates=grey + 0.05)
    assert loss_of("code_diversity", least=0.12).painting(near) == pytest.approx(0.07, rel=1e-5)
    far = knowing(trial, painted=grey, mates=grey + 0.5)
    assert loss_of("code_diversity", least=0.12).painting(far) == 0


def test_texture_that_sticks_to_its_place_is_charged_and_texture_that_moves_is_not(trial):
    torch.manual_seed(5)
    real = torch.randn(256, 3, 8, 8)
    pattern = 0.5 * torch.randn(3, 8, 8)
    loss = loss_of("stuck")

    def charged(painted):
        return loss.painting(replace(knowing(trial, painted=painted), real=real)).item()

    # White noise of variance 1/4 has a Laplacian of (16 + 4) / 4; pictures of their own cancel out.
    assert charged(torch.randn(256, 3, 8, 8) + pattern) == pytest.approx(5, rel=0.4)
    assert charged(torch.randn(256, 3, 8, 8)) == pytest.approx(0, abs=0.1)
    assert charged(real + torch.linspace(0, 1, 8)) == pytest.approx(0, abs=1e-6)


def test_bands_of_a_pictures_own_are_charged_along_rows_and_along_columns(trial):
    torch.manual_seed(6)
    real, other = torch.randn(2, 256, 3, 8, 8)
    loss = loss_of("bands")

    def charged(painted):
        return loss.painting(replace(knowing(trial, painted=painted), real=real)).item()

    # A row's mean has the variance 1 / 8, with bands 9 / 8: its bends are three times as large.
    expected = math.log(3) ** 2 / 2
    assert charged(other + torch.randn(256, 3, 8, 1)) == pytest.approx(expected, rel=0.1)
    assert charged(other + torch.randn(256, 3, 1, 8)) == pytest.approx(expected, rel=0.1)
    assert charged(other) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["stuck", "bands"])
def test_too_few_pictures_have_no_mean_to_speak_of(kind, trial):
    few = replace(knowing(trial, painted=torch.randn(3, 3, 8, 8)), real=trial.real[:3])
    assert loss_of(kind).painting(few) == 0


class Plane(nn.Module):
    """A judge whose logit rises by a half with every number of the picture."""

    def forward(self, picture, places):
        return Verdict(0.5 * picture.flatten(1).sum(dim=1), places)


@pytest.mark.parametrize("kind", ["r1", "r2"])
def test_the_slope_of_a_plane_is_known_and_comes_up_every_so_often(kind, trial):
    flat = replace(trial, parts=replace(trial.parts, discriminator=Plane()))
    literal = loss_of(kind, every=16, rescaled=False)
    rescaled = loss_of(kind, every=16)
    # 3 x 8 x 8 numbers, each with the slope 1/2.
    assert literal.judging(flat, 32) == (pytest.approx(48), 1.0)
    assert rescaled.judging(flat, 32).weight == 16
    assert literal.judging(flat, 33) is None
    assert loss_of(kind).painting(trial) is None


def test_the_slope_agrees_with_small_steps(trial):
    picture, places = trial.real.clone(), trial.places
    judge = trial.parts.discriminator.eval()
    found = trial.slope("real")
    total, step = 0.0, 1e-2
    with torch.no_grad():
        for at in range(3 * 8 * 8):
            shift = torch.zeros(3 * 8 * 8)
            shift[at] = step
            shift = shift.view(1, 3, 8, 8)
            up, down = (judge(picture + s, places).logits.sum() for s in (shift, -shift))
            total += float((up - down) / (2 * step)) ** 2
    # All pictures were moved together: the sum of their slopes is what small steps see.
    seen = picture.requires_grad_(True)
    (slopes,) = torch.autograd.grad(judge(seen, places).logits.sum(), seen)
    assert float(slopes.sum(dim=0).square().sum()) == pytest.approx(total, rel=0.05)
    assert float(found.detach()) == pytest.approx(
        float(slopes.square().sum(dim=(1, 2, 3)).mean()), rel=0.05
    )


def test_a_loss_of_no_weight_is_not_computed(trial):
    off = LANDSCAPE_LOSSES["reconstruction"](weight=parse_schedule("0:0, 5:2"))
    assert painting_terms(trial, [off], 4) == {}
    assert "rebuilt" not in trial.memo
    found = painting_terms(trial, [off], 5)
    assert found["paint/reconstruction"].weight == 2
    assert judging_terms(trial, [off], 5) == {}


def test_nothing_is_painted_twice(trial):
    first = trial.painted()
    loss_of("hinge").painting(trial)
    assert trial.painted() is first
    with torch.no_grad():
        assert not replace(trial, painting=False, memo={}).painted().requires_grad
