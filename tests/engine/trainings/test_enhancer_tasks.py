"""Tasks of the networks that enhance portraits, tiny: few people, 32 px."""

import pytest
import torch

from engine.core.progress import Silence
from engine.data.degradation import Degradation
from engine.data.landscapes import WorldPlan
from engine.data.mixed_worlds import CleanPictures, Scapes
from engine.data.portraits import PortraitPlan
from engine.nets.named import load_age_reader, load_distance
from engine.nets.nano.discriminator import NanoCritic
from engine.nets.nano.enhancers import NanoColour, NanoFace
from engine.nets.nano.unet import NanoUNet, UNetSpec
from engine.runtime.draws import Draws
from engine.training.task import Moment
from engine.trainings.colorization.task import ColouringTask
from engine.trainings.predictions import drawn
from engine.trainings.restoration.recipe import CompactNet
from engine.trainings.restoration.task import RestoringAim, RestoringTask
from engine.weights.native import read_native, save_native

LEARN = PortraitPlan(first=901_200, people=4, scenes=1, ages=2, size=32)
CHECK = PortraitPlan(first=901_300, people=2, scenes=1, ages=2, size=32)
CPU = torch.device("cpu")
WIDTHS = (6, 8)
SCAPES = Scapes(
    learn=WorldPlan(first=900_000, count=6, size=32),
    check=WorldPlan(first=900_100, count=2, size=32),
    share=0.5,
)


def enlarging():
    net = drawn(CompactNet(width=6, depth=1).build, 0)
    return RestoringTask(net, "compact", LEARN, CHECK, Degradation(severity=0.3), scale=2,
                         patch=24, aim=RestoringAim(), scapes=SCAPES)  # fmt: skip


def restoring():
    net = drawn(lambda: NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS))), 0)
    return RestoringTask(net, "face", LEARN, CHECK, Degradation(severity=0.3), scale=1,
                         patch=32, aim=RestoringAim())  # fmt: skip


def sharpening():
    """With a critic, and with a look at who it is."""
    net = drawn(lambda: NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS))), 0)
    aim = RestoringAim(looks=1.0, age=5.0, adversarial=0.1, matching=0.5, r1_every=2)
    return RestoringTask(net, "face", LEARN, CHECK, Degradation(severity=0.3), scale=1,
                         patch=32, aim=aim, critic=drawn(lambda: NanoCritic(3, (4, 6)), 1),
                         looks=load_distance("nano-identity-features", CPU),
                         age=load_age_reader("nano-age", CPU))  # fmt: skip


def colouring():
    net = drawn(lambda: NanoColour(NanoUNet(UNetSpec(1, 2, 4, WIDTHS))), 0)
    return ColouringTask(net, LEARN, CHECK, Degradation(severity=0.3), size=16, scapes=SCAPES)


MAKERS = {"compact": enlarging, "face": restoring, "game": sharpening, "colour": colouring}


@pytest.fixture(params=list(MAKERS))
def task(request):
    made = MAKERS[request.param]()
    made.prepare(Silence())
    return made


def moment(step=0, positions=range(4)):
    return Moment(step, "main", step, frozenset(), Draws(3, step, positions))


def test_a_batch_belongs_to_its_step_and_its_places(task):
    whole, again = (task.batch(moment(5), 4) for _ in range(2))
    half = task.batch(moment(5, range(2, 4)), 4)
    for key, values in whole.items():
        assert torch.equal(values, again[key])
        assert torch.equal(values[2:], half[key])
    assert not torch.equal(whole["clean"], task.batch(moment(6), 4)["clean"])


def test_landscapes_come_by_their_share_and_never_mix_into_a_portrait():
    both, one = (CleanPictures.rendered(LEARN, s, Silence()) for s in (SCAPES, None))
    draws = Draws(1, 0, range(200))
    mixed, portraits = both.drawn(draws, batch=200), one.drawn(draws, batch=200)
    scenes = {picture.tobytes() for picture in both.scapes.tensor(range(6)).numpy()}
    kept = (mixed == portraits).flatten(1).all(dim=1).numpy()
    assert 0.35 < kept.mean() < 0.65
    others = [picture.numpy().tobytes() for picture in mixed[~kept]]
    assert {*others} == scenes


def test_landscapes_have_figures_of_their_own(task):
    with torch.no_grad():
        told = task.validate(task.parts, CPU)
    assert any(name.endswith("_scapes") for name in told) == (task.scapes is not None)


def test_learning_lowers_the_loss_and_shows_in_the_figures(task):
    net = next(iter(task.parts.values()))
    batch, losses = task.batch(moment(), 4), []
    with torch.no_grad():
        before = task.validate(task.parts, CPU)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(40):
        terms = task.terms("main", batch, moment())
        total = sum(term.value * term.weight for term in terms.values())
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(total.item())
    assert losses[-1] < 0.9 * losses[0]
    with torch.no_grad():
        after = task.validate(task.parts, CPU)
    assert after[task.best.metric] != before[task.best.metric]


def test_what_is_delivered_is_the_network(task, tmp_path):
    name, net = next(iter(task.parts.items()))
    save_native(tmp_path / "w.safetensors", task.checkpoint(task.parts))
    found = read_native(tmp_path / "w.safetensors")
    assert found is not None
    own = net.state_dict()
    stored = found.part(name)
    assert {key.removeprefix("net.") for key in own} == set(stored)
    with torch.no_grad():
        sheet = task.sample(task.parts, CPU)
    assert sheet.ndim == 3


def test_a_critic_judges_what_was_just_drawn_and_learns_to_tell_it():
    task = sharpening()
    task.prepare(Silence())
    critic = task.parts["critic"]
    batch, losses = task.batch(moment(), 4), []
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    task.terms("main", batch, moment())
    for step in range(1, 60):
        assert task.terms("main", batch, moment(step)).keys() >= {"looks", "age", "adversarial"}
        terms = task.terms("critic", batch, moment(step))
        assert ("r1" in terms) == (step % 2 == 0)
        optimiser.zero_grad()
        sum(term.value * term.weight for term in terms.values()).backward()
        optimiser.step()
        losses.append(terms["critic"].value.item())
    assert losses[-1] < 0.9 * losses[0]


def test_a_task_taken_up_between_its_turns_draws_again_what_the_critic_judges():
    task, other = sharpening(), sharpening()
    for one in (task, other):
        one.prepare(Silence())
    batch = task.batch(moment(3), 4)
    task.terms("main", batch, moment(3))
    one, again = (each.terms("critic", batch, moment(3))["critic"].value for each in (task, other))
    assert torch.allclose(one, again)


def test_a_restorer_changes_nothing_before_it_has_learned():
    face = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(NanoFace(NanoUNet(UNetSpec(3, 3, 4, WIDTHS)))(face), face)


def test_the_shape_of_a_u_net_is_read_off_its_state():
    spec = UNetSpec(1, 2, 4, (6, 8, 10))
    found = NanoUNet.from_state(NanoUNet(spec).state_dict())
    assert found.spec == spec
    assert found.spec.multiple == 16
