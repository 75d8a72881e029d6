"""Properties of every personal training: locks, frozen networks, rates, delivery."""

import shutil
from dataclasses import replace

import numpy as np
import person
import pytest
import torch

from engine.config.load import load_recipe_as
from engine.core.errors import RecipeError
from engine.core.numbers import AgeWindow, Span
from engine.core.progress import Silence
from engine.nets.assemble import time_machine
from engine.runtime.draws import Draws
from engine.training.callbacks import SilentCallback
from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.training.launch import build_task, start_run
from engine.training.task import StepContext
from engine.trainings.personal.oneshot import oneshot_recipe
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.series.runs import resume_any
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

CPU = torch.device("cpu")
RATE = "phase.1.rate={kind='cosine', start=1e-3, end=1e-5, steps=4}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return person.make(tmp_path_factory.mktemp("person"))


def recipe(world, *settings, name="mined"):
    return load_recipe_as(PersonalRecipe, world / f"{name}.toml", settings)


def trained(recipe, out):
    start_run(recipe, out, devices=1, callback=lambda _: SilentCallback())
    return out


def rows(run):
    return {row["step"]: row for row in read_journal(run / "metrics.jsonl")}


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    """Validated at its end alone, so that the last weights are the best."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return trained(recipe(world, "validate_every=1000", RATE), out)


def ready(recipe):
    task = build_task(recipe)
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    return task


def context(step, batch=8):
    return StepContext(step, "stage1", step, Draws(0, step, range(batch)))


def locked(run, *settings, window="40±2"):
    return oneshot_recipe(AgeWindow.parse(window), run, photos=None, bank=None, settings=settings)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["targets.age='50±2'"], "target ages are not locked on 40±2"),
        (["targets.age='40±3'"], "target ages are not locked on 40±2"),
        (["targets={kind='uniform'}"], "target ages are not locked on 40±2"),
        (["miner.ages='35..45'"], "the miner reaches outside 38..42"),
        (["miner.ages='40..43'"], "the miner reaches outside 38..42"),
        (["loss.contrastive_id.oldest=45"], "`contrastive_id` reaches beyond 38..42"),
        (["loss.contrastive_id.youngest=30"], "`contrastive_id` reaches beyond 38..42"),
        (["validation.at=[25, 40]"], "the validation has ages outside 38..42"),
        (["validation.beyond=[60]"], "the validation has ages outside 38..42"),
        (["validation.at=[]"], "the validation has ages outside 38..42"),
    ],
)
def test_a_one_shot_that_leaves_its_window_is_refused(run, settings, fault):
    with pytest.raises(RecipeError, match=fault):
        locked(run, *settings)


def test_the_best_of_a_one_shot_is_picked_at_its_own_ages(run):
    settings = locked(run).validation
    assert settings.ages(Span(20, 50)) == [38.0, 40.0, 42.0]
    assert locked(run, window="21±0").validation.ages(Span(20, 50)) == [21.0]


@pytest.mark.parametrize("window", ["40±2", "21±0", "49±5"])
def test_the_target_ages_of_a_one_shot_are_within_its_window(world, run, window):
    targets = locked(run, window=window).targets
    low, high = AgeWindow.parse(window).span
    task = build_task(recipe(world).model_copy(update={"targets": targets}))
    task.prepare(Silence())
    ages = torch.cat([task.batch(context(step), 8)["target"] for step in range(60)])
    assert low <= float(ages.min()) <= float(ages.max()) <= high
    assert set(range(int(low), int(high) + 1)) <= set(ages.tolist())


def test_a_mined_impostor_is_of_the_window_s_ages(world):
    task = ready(recipe(world, "miner.ages='38..42'", "miner.widest=0", "miner.k=2"))
    miner = task.loss_context.miner
    bank = task.impostors[1]
    anchors = bank.embeddings[:5]
    wide = torch.linspace(38, 42, 5)
    for step in range(10):
        mined = miner.mine(anchors, wide, Draws(0, step, range(5)))
        chosen = mined.embeddings[mined.mask]
        rows = (chosen @ bank.embeddings.T).argmax(dim=1)
        # Bins are five years wide, from 18 on: those of 38 to 42 are one.
        assert bool(((bank.ages[rows] >= 38) & (bank.ages[rows] < 43)).all())


def test_roi_id_is_in_both_stages_at_the_weight_of_the_step(world, run):
    logged = rows(run)
    assert {row["phase"] for row in logged.values()} == {"stage1", "stage2"}
    for row in logged.values():
        assert row["loss/real/roi_id"] > 0
        assert {"loss/real/roi_id/eyes", "loss/real/roi_id/mouth"} <= set(row)
    task = ready(recipe(world))
    weights = [
        terms["real/roi_id"].weight
        for step in (0, 3, 4)
        for terms in task.backward_passes("main", task.batch(context(step, 2), 2), context(step, 2))
        if "real/roi_id" in terms
    ]
    assert weights == [0.05, 0.05, 0.07]


def test_without_a_landmark_network_regions_are_by_the_manifest_s_landmarks(world, tmp_path):
    without = tmp_path / "without.toml"
    lines = (world / "mined.toml").read_text().splitlines()
    without.write_text("\n".join(line for line in lines if not line.startswith("landmarks")))
    task = ready(load_recipe_as(PersonalRecipe, without))
    assert torch.equal(task.cached["points"], task.split.train.landmarks_and_flips())
    assert bool(task.cached["points"].isfinite().all())
    passes = task.backward_passes("main", task.batch(context(0, 2), 2), context(0, 2))
    terms = next(passes)
    assert float(terms["real/roi_id"].value.detach()) > 0
    assert float(terms["real/roi_id/roi_pairs_eyes"].value) == 2
    assert "roi roi_pairs_eyes=2" in " ".join(
        f"{name} {text}"
        for name, text in task.status(1, {"loss/real/roi_id/roi_pairs_eyes": 2}).items()
    )


def test_photos_without_a_manifest_get_landmarks_and_it_is_said(world, monkeypatch):
    task = ready(recipe(world))
    bare = replace(task.split.train, landmarks=np.full_like(task.split.train.landmarks, np.nan))
    said = []
    remarks = Silence()
    remarks.remark = said.append
    monkeypatch.setattr("engine.training.photos.fit_points", lambda pixels, box: np.ones((68, 2)))
    assert bool((bare.with_landmarks(remarks).landmarks == 1).all())
    assert f"{len(bare)} of {len(bare)} photos have no landmarks" in said[0]
    assert task.split.train.with_landmarks(remarks) is task.split.train


def test_impostors_of_other_ages_are_warned_of_when_every_step_takes_them(world):
    task = ready(recipe(world))
    name = "loss/real/contrastive_id/miner/relaxed"
    assert task.warnings({name: 0.9}) == []
    (warning,) = task.warnings({name: 1.0})
    assert f"no step since the last row found {task.impostors[0].k} impostors" in warning


def test_the_delivered_weights_are_the_average_and_those_that_infer_loads(run):
    last = read_snapshot(run / "checkpoints" / "step_8")
    average = {k: v for k, v in last.state["averages"]["decoder"].items() if k != "updates"}
    model = time_machine(read_checkpoint(find_weights(str(run))))
    loaded = model.decoder.state_dict()
    assert set(loaded) == set(average)
    assert all(torch.equal(loaded[key], tensor) for key, tensor in average.items())
    assert not all(torch.equal(loaded[key], last.nets["decoder"][key]) for key in loaded)
    for name, net in (("adapter", model.adapter), ("trained_encoder", model.encoder)):
        state = net.state_dict()
        assert all(torch.equal(state[key], last.nets[name][key]) for key in state), name


def test_a_weight_of_zero_is_the_same_as_no_loss(world, tmp_path):
    few = ("phase.0.steps=2", "phase.1.steps=1")
    nets = []
    for name, settings in (
        ("none", ()),
        ("zero", ("loss.contrastive_id.weight=0", "loss.roi_id.weight='0:0'", "cycle=1")),
    ):
        toy = "toy" if name == "none" else "mined"
        out = trained(recipe(world, *few, *settings, name=toy), tmp_path / name)
        nets.append(read_snapshot(out / "checkpoints" / "step_3").nets)
        assert not any("roi_id" in key or "contrastive" in key for key in rows(out)[1])
    for part, state in nets[0].items():
        assert all(torch.equal(state[key], nets[1][part][key]) for key in state), part


@pytest.mark.parametrize(
    ("settings", "needed", "remarks"),
    [
        ((), ["photos", "bank"], []),
        (("loss.contrastive_id.weight='0:0, 5:0.1'",), ["photos", "bank"], []),
        (
            ("loss.contrastive_id.weight=0",),
            ["photos"],
            ["the bank is not used: no loss that mines impostors has a weight"],
        ),
    ],
)
def test_a_bank_is_needed_where_a_loss_mines(world, settings, needed, remarks):
    given = recipe(world, *settings)
    bare = given.model_copy(update={"photos": None, "bank": None})
    assert bare.missing_data() == needed
    task = build_task(given)
    assert (list(task.remarks), task.impostors is not None) == (remarks, "bank" in needed)
    if "bank" not in needed:
        assert build_task(given.model_copy(update={"bank": None})).impostors is None


def test_losses_that_all_weigh_nothing_are_refused(world):
    with pytest.raises(RecipeError, match=r"at least one `\[\[loss\]\]` with a weight"):
        recipe(world, *(f"loss.{one.kind}.weight=0" for one in recipe(world).loss))


def test_frozen_networks_do_not_change_in_a_run(world, tmp_path, monkeypatch):
    from engine.training import launch

    tasks = []
    monkeypatch.setattr(
        launch, "build_task", lambda recipe: tasks.append(build_task(recipe)) or tasks[0]
    )
    before = build_task(recipe(world))
    trained(recipe(world), tmp_path / "run")
    (task,) = tasks
    assert set(task.frozen) >= {"psp", "sam", "identity", "age", "landmarks"}
    for name, net in task.frozen.items():
        then = before.frozen[name].state_dict()
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor.contiguous(), then[key].contiguous()), f"{name}.{key}"
        assert not any(module.training for module in net.modules()), name
        assert all(p.grad is None and not p.requires_grad for p in net.parameters()), name
    # The encoders of the published networks have batch norms; see also test_loop.
    assert task.freeze_batch_norm


def test_a_stage_keeps_its_own_rate_after_a_resume(world, run, tmp_path):
    cut = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoints")
    for stop in (5, None):
        resume_any(cut, until=stop, callback=lambda _: SilentCallback())
    rate = recipe(world, RATE).phases[1].rate
    for logged in (rows(run), rows(cut)):
        rates = [logged[step]["lr/decoder"] for step in (5, 6, 7, 8)]
        assert rates == [rate.at(step) for step in range(4)]
    assert rate.at(0) == 1e-3
    assert rows(run)[1]["lr/decoder"] == 1e-3


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), {"real": True, "cycle": False}),
        (("loss.adaptive_w_norm.weight=0",), {"real": False, "cycle": False}),
        (("loss.adaptive_w_norm.on=['cycle']",), {"real": False, "cycle": True}),
        (("encoder=false", "phase.0.trainable=['adapter']"), {"real": True, "cycle": True}),
    ],
)
def test_the_prior_runs_only_where_its_codes_are_read(world, settings, expected):
    task = ready(recipe(world, *settings, name="toy"))
    called = {}
    calls = []
    task.machine.sam.register_forward_hook(lambda *_: calls.append(1))
    passes = task.backward_passes("main", task.batch(context(0, 2), 2), context(0, 2))
    for name in ("real", "cycle"):
        calls.clear()
        next(passes)
        called[name] = bool(calls)
    assert called == expected


def test_losses_without_a_distance_are_left_out_with_a_remark(world, tmp_path):
    remarks = []

    class Remarks(SilentCallback):
        def remark(self, text):
            remarks.append(text)

    changed = recipe(
        world,
        "loss.2={kind='perceptual', weight=1, when='same'}",
        "networks.perceptual='none'",
        "phase.0.steps=1",
        "phase.1.steps=1",
    )
    start_run(changed, tmp_path / "run", devices=1, callback=lambda _: Remarks())
    assert any("the loss `perceptual_same` is left out" in remark for remark in remarks)
    assert not any("perceptual" in key for key in rows(tmp_path / "run")[1])
