"""The ageing model: prior, adapter and generator agree at first, and only what learns changes."""

import hashlib
from copy import deepcopy

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.nets.adapter import Adapter, AdapterSpec
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder, with_age_plane
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec
from engine.nets.timemachine import TimeMachine

WIDTH, STYLES = 10, 8
AGES = torch.tensor([5.0, 40.0, 90.0])


def encoder(planes):
    return GradualStyleEncoder(
        EncoderSpec(
            planes=planes,
            n_styles=STYLES,
            size=64,
            style_width=WIDTH,
            widths=(4, 8, 12, 16),
            depths=(1, 1, 1, 1),
        )
    )


@pytest.fixture
def parts(fill):
    with torch.no_grad():
        spec = GeneratorSpec(32, (12, 10, 8, 6), style_width=WIDTH, mapping_layers=1)
        return {
            "psp": fill(encoder(3), spread=0.1),
            "sam": fill(encoder(4), spread=0.1),
            "decoder": fill(Generator(spec)),
            "latent_average": torch.randn(STYLES, WIDTH),
        }


@pytest.fixture
def model(parts):
    return TimeMachine(**parts)


def new_adapter():
    return Adapter(AdapterSpec(STYLES, WIDTH, bottleneck=4, summary=6, age_width=3))


def photos(count):
    return torch.rand(count, 3, 64, 64) * 2 - 1


def fingerprint(module):
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode() + value.detach().numpy().tobytes())
    return digest.hexdigest()


def calls(module):
    """A list that grows by the batch size of every pass through `module`."""
    seen = []
    module.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    return seen


def test_sam_is_both_encoders_on_the_average_then_the_generator(model):
    photo = photos(3)
    image, w_plus = model(photo, AGES)
    by_hand = model.sam(with_age_plane(photo, AGES)) + model.psp(photo) + model.latent_average
    torch.testing.assert_close(w_plus, by_hand)
    torch.testing.assert_close(image, model.decoder(by_hand))


def test_prior_trained_copy_and_adapter_agree_before_the_first_step(model):
    photo = photos(3)
    prior = model.prior(photo, AGES)
    assert torch.equal(model.codes(photo, AGES), prior)
    model.adapter = new_adapter()
    assert torch.equal(model.codes(photo, AGES), prior)
    model.with_trained_encoder()
    assert torch.equal(model.codes(photo, AGES), prior)


def test_a_personal_model_is_the_adapter_on_the_priors_codes(model, fill):
    with torch.no_grad():
        model.adapter = fill(new_adapter())
    photo = photos(3)
    prior = model.prior(photo, AGES)
    assert torch.equal(model.codes(photo, AGES), model.adapter(prior, AGES))
    assert not torch.allclose(model.codes(photo, AGES), prior)


def test_one_photo_at_many_ages_is_that_photo_repeated(model):
    photo = photos(1)
    one, repeated = (model(x, AGES).w_plus for x in (photo, photo.expand(3, -1, -1, -1)))
    assert_equal_but_for_rounding(one, repeated, layers=30, fan_in=9 * 16)


def test_six_ages_cost_one_inversion_and_one_batch(model):
    inversions, passes = calls(model.psp), calls(model.sam)
    model(photos(1), torch.arange(6) * 10.0)
    assert inversions == [1]
    assert passes == [6]


def test_what_is_known_is_not_computed_again(model):
    photo = photos(3)
    inverted = model.invert(photo)
    prior = model.prior(photo, AGES, inverted)
    inversions, passes = calls(model.psp), calls(model.sam)
    assert torch.equal(model.codes(photo, AGES, prior=prior), prior)
    assert (inversions, passes) == ([], [])
    assert torch.equal(model.codes(photo, AGES, inverted=inverted), prior)
    assert (inversions, passes) == ([], [3])


def test_training_changes_what_learns_and_nothing_of_the_prior(model):
    model.adapter = new_adapter()
    model.with_trained_encoder().train()
    learning = ("encoder", "adapter", "decoder")
    before = {name: fingerprint(part) for name, part in model.named_children()}
    average = model.latent_average.clone()
    statistics = {k: v.clone() for k, v in model.encoder.named_buffers()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        model(photos(3), AGES).image.square().mean().backward()
        optimizer.step()
    after = {name: fingerprint(part) for name, part in model.named_children()}
    for name in before:
        assert (before[name] != after[name]) == (name in learning), name
    assert torch.equal(model.latent_average, average)
    assert all(torch.equal(v, statistics[k]) for k, v in model.encoder.named_buffers())
    assert all(p.grad is None for part in (model.psp, model.sam) for p in part.parameters())


def test_gradients_reach_everything_that_learns(model):
    model.adapter = new_adapter()
    torch.nn.init.normal_(model.adapter.get_submodule("fc_0")[2].weight)
    model.with_trained_encoder()
    model(photos(1), AGES).image.square().sum().backward()
    unused = {key for key, _ in model.named_parameters() if key.startswith("decoder.style.")}
    learning = {key: p for key, p in model.named_parameters() if p.requires_grad}
    silent = {key for key, p in learning.items() if p.grad is None}
    assert silent == unused


def test_a_frozen_prior_builds_no_graph_for_a_plain_photo(model):
    assert not model.prior(photos(1), AGES).requires_grad
    drawn = photos(1).requires_grad_()
    assert model.prior(drawn, AGES).requires_grad
    assert not model.invert(drawn.detach()).requires_grad


def test_no_encoder_leaves_eval_mode(model):
    model.with_trained_encoder().train()
    assert model.decoder.training
    for part in (model.psp, model.sam, model.encoder):
        assert not any(module.training for module in part.modules())


def test_a_trained_encoder_must_not_share_the_priors_memory(parts):
    with pytest.raises(ValueError, match="shares its weights"):
        TimeMachine(**parts, encoder=parts["sam"])
    twin = deepcopy(parts["sam"])
    assert TimeMachine(**parts, encoder=twin).encoder is twin


def test_the_same_noise_gives_the_same_picture(model):
    w_plus = model.codes(photos(1), AGES)
    first = model.decode(w_plus, noise=torch.Generator().manual_seed(3))
    assert torch.equal(first, model.decode(w_plus, noise=torch.Generator().manual_seed(3)))
    assert not torch.allclose(first, model.decode(w_plus))


def test_a_state_dict_comes_back_as_the_same_model(parts, fill):
    with torch.no_grad():
        model = TimeMachine(**parts, adapter=fill(new_adapter())).with_trained_encoder()
        fill(model.encoder, spread=0.2)
    copy = TimeMachine(**deepcopy(parts), adapter=new_adapter()).with_trained_encoder()
    copy.load_state_dict(model.state_dict())
    photo = photos(1)
    assert torch.equal(copy(photo, AGES).image, model(photo, AGES).image)


@pytest.mark.parametrize(("count", "ages"), [(2, AGES), (1, AGES[:, None])], ids=["two", "2-d"])
def test_photos_and_ages_that_do_not_match_are_refused(model, count, ages):
    with pytest.raises(ValueError, match="do not go with"):
        model(photos(count), ages)


def test_parts_that_do_not_match_are_refused(parts):
    with pytest.raises(ValueError, match="latent average"):
        TimeMachine(**{**parts, "latent_average": torch.zeros(18, WIDTH)})
    with pytest.raises(ValueError, match="one plane more"):
        TimeMachine(**{**parts, "sam": parts["psp"]})
