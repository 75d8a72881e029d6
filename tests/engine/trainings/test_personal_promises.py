"""What every personal training promises; each test fails where the promise is broken."""

import shutil

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
from engine.training.launch import begin, built_task
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
    begin(recipe, out, devices=1, callback=lambda _: SilentCallback())
    return out


def rows(run):
    return {row["step"]: row for row in read_journal(run / "metrics.jsonl")}


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    """Validated at its end alone, so that the last weights are the best."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return trained(recipe(world, "validate_every=1000", RATE), out)


def ready(recipe):
    task = built_task(recipe)
    task.prepare(Silence())
    task.precompute(CPU, Silence())
    return task


def context(step, batch=8):
    return StepContext(step, "stage1", step, frozenset(), Draws(0, step, range(batch)))


def locked(run, *settings, window="40±2"):
    return oneshot_recipe(AgeWindow.parse(window), run, photos=None, bank=None, settings=settings)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["targets.age='50±2'"], "target ages are not locked on 40±2"),
        (["targets.age='40±3'"], "target ages are not locked on 40±2"),
        (["targets={kind='uniform'}"], "target ages are not locked on 40±2"),
        (["miner.ages='35..45'"], "the miner looks outside 38..42"),
        (["miner.ages='40..43'"], "the miner looks outside 38..42"),
        (["loss.contrastive_id.oldest=45"], "`contrastive_id` reaches beyond 38..42"),
        (["loss.contrastive_id.youngest=30"], "`contrastive_id` reaches beyond 38..42"),
        (["validation.at=[25, 40]"], "the validation judges ages outside 38..42"),
        (["validation.beyond=[60]"], "the validation judges ages outside 38..42"),
        (["validation.at=[]"], "the validation judges ages outside 38..42"),
    ],
)
def test_a_one_shot_that_leaves_its_window_is_refused(run, settings, fault):
    with pytest.raises(RecipeError, match=fault):
        locked(run, *settings)


def test_the_best_of_a_one_shot_is_picked_at_its_own_ages(run):
    check = locked(run).validation
    assert check.ages(Span(20, 50)) == [38.0, 40.0, 42.0]
    assert locked(run, window="21±0").validation.ages(Span(20, 50)) == [21.0]


@pytest.mark.parametrize("window", ["40±2", "21±0", "49±5"])
def test_a_one_shot_never_asks_for_an_age_outside(world, run, window):
    asked = locked(run, window=window)
    low, high = AgeWindow.parse(window).span
    task = built_task(recipe(world).model_copy(update={"targets": asked.targets}))
    task.prepare(Silence())
    seen = torch.cat([task.batch(context(step), 8)["target"] for step in range(60)])
    assert low <= float(seen.min()) <= float(seen.max()) <= high
    assert set(range(int(low), int(high) + 1)) <= set(seen.tolist())


def test_a_mined_impostor_is_of_the_window_s_ages(world):
    task = ready(recipe(world, "miner.ages='38..42'", "miner.widest=0", "miner.k=2"))
    miner = task.data.miner
    bank = task.impostors[1]
    anchors = bank.embeddings[:5]
    wide = torch.linspace(38, 42, 5)
    for step in range(10):
        mined = miner.mine(anchors, wide, Draws(0, step, range(5)))
        found = mined.embeddings[mined.mask]
        rows = (found @ bank.embeddings.T).argmax(dim=1)
        # Bins are five years wide, from 18 on: those of 38 to 42 are one.
        assert bool(((bank.ages[rows] >= 38) & (bank.ages[rows] < 43)).all())


def test_regions_count_in_stage_2_at_the_weight_of_the_step(world, run):
    told = rows(run)
    assert {row["phase"] for row in told.values()} == {"stage1", "stage2"}
    for row in told.values():
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


def test_regions_are_where_the_manifest_says_without_a_landmark_network(world, tmp_path):
    """Real photos are aligned by landmarks, and these say where eyes and mouth are."""
    without = tmp_path / "without.toml"
    told = (world / "mined.toml").read_text().splitlines()
    without.write_text("\n".join(line for line in told if not line.startswith("points")))
    task = ready(load_recipe_as(PersonalRecipe, without))
    assert torch.equal(task.cached["points"], task.sides.train.both_points())
    assert bool(task.cached["points"].isfinite().all())
    passes = task.backward_passes("main", task.batch(context(0, 2), 2), context(0, 2))
    assert float(next(passes)["real/roi_id"].value.detach()) > 0


def test_what_is_delivered_is_the_average_and_what_infer_loads(run):
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


def test_a_weight_of_zero_is_exactly_nothing(world, tmp_path):
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


def test_nothing_frozen_learns_or_drifts_in_a_whole_run(world, tmp_path, monkeypatch):
    from engine.training import launch

    made = []
    monkeypatch.setattr(
        launch, "built_task", lambda recipe: made.append(built_task(recipe)) or made[0]
    )
    before = built_task(recipe(world))
    trained(recipe(world), tmp_path / "run")
    (task,) = made
    assert set(task.frozen) >= {"psp", "sam", "identity_net", "ages", "points"}
    for name, net in task.frozen.items():
        then = before.frozen[name].state_dict()
        for key, tensor in net.state_dict().items():
            assert torch.equal(tensor.contiguous(), then[key].contiguous()), f"{name}.{key}"
        assert not any(module.training for module in net.modules()), name
        assert all(p.grad is None and not p.requires_grad for p in net.parameters()), name
    # The encoders of the published networks hold batch norms; see also test_loop.
    assert task.keeps_statistics


def test_a_stage_keeps_its_own_rate_after_a_resume(world, run, tmp_path):
    cut = shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(cut / "checkpoints")
    for stop in (5, None):
        resume_any(cut, until=stop, callback=lambda _: SilentCallback())
    rate = recipe(world, RATE).phases[1].rate
    for told in (rows(run), rows(cut)):
        found = [told[step]["lr/decoder"] for step in (5, 6, 7, 8)]
        assert found == [rate.at(step) for step in range(4)]
    assert rate.at(0) == 1e-3
    assert rows(run)[1]["lr/decoder"] == 1e-3


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ((), {"real": True, "cycle": False}),
        (("loss.adaptive_w_norm.weight=0",), {"real": False, "cycle": False}),
        (("loss.adaptive_w_norm.on=['cycle']",), {"real": False, "cycle": True}),
        (("encoder=false", "phase.0.trainable=['adapter']"), {"real": True, "cycle": True}),
    ],
)
def test_the_prior_is_asked_where_something_reads_it(world, settings, asked):
    task = ready(recipe(world, *settings, name="toy"))
    found = {}
    calls = []
    task.machine.sam.register_forward_hook(lambda *_: calls.append(1))
    passes = task.backward_passes("main", task.batch(context(0, 2), 2), context(0, 2))
    for name in ("real", "cycle"):
        calls.clear()
        next(passes)
        found[name] = bool(calls)
    assert found == asked


def test_losses_without_a_distance_are_absent_and_named(world, tmp_path):
    remarks = []

    class Told(SilentCallback):
        def remark(self, text):
            remarks.append(text)

    asked = recipe(
        world,
        "loss.2={kind='perceptual', weight=1, when='same'}",
        "networks.distance='none'",
        "phase.0.steps=1",
        "phase.1.steps=1",
    )
    begin(asked, tmp_path / "run", devices=1, callback=lambda _: Told())
    assert any("the loss `perceptual_same` is absent" in remark for remark in remarks)
    assert not any("perceptual" in key for key in rows(tmp_path / "run")[1])
