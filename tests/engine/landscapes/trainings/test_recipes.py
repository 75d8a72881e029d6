"""The landscape recipes: the settings of the original project by epoch, and their scenes."""

import pytest

from engine.config.find import shipped_recipes
from engine.config.load import load_recipe
from engine.core.errors import RecipeError
from engine.worlds.landscapes.seeds import TRAIN, VA_EVALUATOR, VALIDATION

NAMES = sorted(name for name in shipped_recipes() if name.startswith("gan/"))


def weight(recipe, kind, epoch):
    """The weight of a loss in an epoch, counted from 1; the same at its first and last step."""
    (loss,) = [loss for loss in recipe.losses if loss.kind == kind]
    first, last = (epoch - 1) * recipe.per_epoch, epoch * recipe.per_epoch - 1
    assert loss.weight.at(first) == loss.weight.at(last)
    return loss.weight.at(first)


def scenes(plan):
    return range(plan.first, plan.first + plan.count)


def test_all_recipes_of_the_folder_are_known():
    assert {"gan/tiny", "gan/tiny_vae", "gan/vae", "gan/classic", "gan/fallback", "gan/fixed",
            "gan/fixed_plus", "gan/ada", "gan/r3", "gan/va_evaluator", "gan/landscapes",
            "gan/grown", "gan/structure_evaluator"} == set(NAMES)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_training_and_validation_scenes_come_from_their_own_ranges(name):
    recipe = load_recipe(name)
    own = VA_EVALUATOR if name.endswith("_evaluator") else TRAIN
    assert set(scenes(recipe.data.train)) <= set(own)
    assert set(scenes(recipe.data.validation)) <= set(VALIDATION)


def test_the_va_evaluator_has_validation_scenes_of_its_own():
    evaluator, generator = load_recipe("gan/va_evaluator"), load_recipe("gan/fixed_plus")
    assert not set(scenes(evaluator.data.validation)) & set(scenes(generator.data.validation))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("hinge", {1: 0, 30: 0, 31: 0.5 / 30, 45: 0.25, 60: 0.5, 61: 1, 1000: 1}),
        ("reconstruction", {1: 1, 30: 1, 31: 1 - 0.8 / 30, 45: 0.6, 60: 0.2, 61: 0, 900: 0}),
        ("perceptual", {1: 0, 200: 0, 201: 0.005 / 300, 350: 0.0025, 500: 0.005, 1000: 0.005}),
        ("diversity", {30: 0, 31: 0.3, 1000: 0.3}),
        ("valence_arousal", {30: 0, 31: 0.5, 1000: 0.5}),
        ("r1", {1: 5, 1000: 5}),
    ],
)
def test_the_original_loss_weights_hold_at_their_epochs(kind, values):
    recipe = load_recipe("gan/fixed")
    for epoch, value in values.items():
        assert weight(recipe, kind, epoch) == pytest.approx(value, abs=1e-6)


def test_the_original_phases_and_rates_span_1000_epochs():
    recipe = load_recipe("gan/fixed")
    assert [phase.steps // 672 for phase in recipe.phases] == [30, 30, 940]
    assert recipe.phases[0].trainable == ("generator",)
    full = recipe.phases[2]
    for epoch, share in ((61, 0.99), (100, 0.669), (200, 0.245), (500, 0.012)):
        step = (epoch - 61) * 672
        assert full.rate_at("generator", step) == pytest.approx(1e-4 * share, rel=0.02)
        assert full.rate_at("discriminator", step) == pytest.approx(0.5e-4 * share, rel=0.02)
    assert recipe.average.decay == 0.999
    assert not recipe.average.warm_up


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ([], "needs `net.discriminator_units"),
        (["net.discriminator_units=true", "adversarial.target_sampling=shuffled"], "one emotion"),
        (["net.discriminator_units=true"], None),
    ],
)
def test_affective_features_need_units_and_pairs(settings, fault):
    settings = ["loss.affective_features.weight=100", *settings]
    if fault is None:
        assert load_recipe("gan/fixed", settings).net.discriminator_spec.units
        return
    with pytest.raises(RecipeError) as caught:
        load_recipe("gan/fixed", settings)
    assert fault in str(caught.value.faults)


def test_without_a_scheduler_every_rate_stays_at_its_largest():
    recipe = load_recipe("gan/fixed", ["scheduler=none"])
    last = recipe.phases[2]
    assert last.rate_at("generator", last.steps - 1) == 0.99e-4
    assert last.rate_at("discriminator", 5) == 0.495e-4
    assert weight(recipe, "perceptual", 500) == 0.005
    assert load_recipe("nano/age", ["scheduler=none"]).phases[0].rate.at(1) == 3e-3


def test_the_early_settings_differ_from_the_final_ones():
    early, final = load_recipe("gan/classic"), load_recipe("gan/fixed")
    assert (early.net.generator_spec.size, final.net.generator_spec.size) == (64, 128)
    assert (early.net.eru.units, final.net.eru.units) == (3, None)
    assert weight(early, "perceptual", 1) == 0.1
    assert weight(early, "r1", 1) == 10
    assert early.phases[1].rate_at("generator", 0) == 2e-4
    assert early.phases[1].rate_at("discriminator", 0) == 1e-4


def test_the_corrected_recipe_compares_images_with_their_reconstructions_only():
    literal, corrected = load_recipe("gan/fixed"), load_recipe("gan/fixed_plus")
    assert not any(loss.needs_encoder() for loss in literal.loss)
    compared = {loss.kind: loss for loss in corrected.loss}
    assert {compared[kind].latent for kind in ("reconstruction", "perceptual")} == {"encoded"}
    last = corrected.phases[-1]
    assert last.rate_at("generator", last.steps - 1) > 0.05 * last.rate_at("generator", 0)


def test_the_small_training_can_start_from_its_warm_start():
    warm_start, tiny = load_recipe("gan/tiny_vae"), load_recipe("gan/tiny")
    assert warm_start.net.generator_spec == tiny.net.generator_spec
    assert warm_start.net.encoder_spec == tiny.net.encoder_spec
    assert warm_start.data.train == tiny.data.train
    assert warm_start.data.validation == tiny.data.validation


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.train.size=64", "`train.size` and `validation.size` differ"),
        ("net.generator=[8,8]", "do not match"),
        ("data.ratings.scale='7..1'", "ends before it begins"),
        ("loss.1={kind='hinge', weight=1.0}", "may occur only once"),
        ("adversarial.augmentations=['colour']", "translation"),
        ("adversarial.red_flag_patience=0", "greater than or equal to 1"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("gan/tiny", [setting])
