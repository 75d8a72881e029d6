"""Steps of micro-batches end in the weights of whole batches; recomputing changes nothing."""

import json

import pytest
import torch
import toy
from torch import nn

from engine.core.errors import RecipeError
from engine.runtime.recompute import blocks_of, recompute
from engine.runtime.shared import SharedBatchNorm
from engine.training.checkpoint import read_snapshot
from engine.training.journal import read_journal
from engine.training.optimizers.choices import SgdChoice


class Masked(toy.Smooth):
    """A loss of some of the samples, at times of none of a micro-batch."""

    def terms(self, optimizer_step, batch, context):
        terms = super().terms(optimizer_step, batch, context)
        if optimizer_step == "main":
            guess = self.parts["net"](batch["x"])
            positive = (batch["x"][:, 0] > 0.7).float()
            terms["some"] = toy.Term((guess[:, 0].square() * positive).mean(), 3.0)
        return terms


class Noisy(Masked):
    """Draws in every sample."""

    def terms(self, optimizer_step, batch, context):
        noise = context.draws.normal("more", 1)
        return super().terms(optimizer_step, batch | {"y": batch["y"] + 0.1 * noise}, context)


def weights(folder, step=12):
    snapshot = read_snapshot(folder / "checkpoints" / f"step_{step}")
    averages = snapshot.state["averages"]
    assert averages.keys() == snapshot.nets.keys()
    nets = [*snapshot.nets.values(), *averages.values()]
    return torch.cat([t.reshape(-1).double() for net in nets for t in net.values()])


def trained(folder, kind, **changes):
    recipe = toy.recipe(12, optimizer=SgdChoice(momentum=0.9), **changes)
    toy.begin(folder, kind(), recipe)
    return weights(folder)


@pytest.mark.parametrize("kind", [toy.Smooth, Masked, Noisy])
@pytest.mark.parametrize(("batch", "accumulate"), [(8, 2), (4, 4), (1, 16)])
def test_accumulated_gradients_are_those_of_one_batch(tmp_path, kind, batch, accumulate):
    whole = trained(tmp_path / "whole", kind, batch=16)
    parts = trained(tmp_path / "parts", kind, batch=batch, accumulate=accumulate)
    assert (whole - parts).abs().max() < 1e-5
    assert not torch.equal(whole, trained(tmp_path / "small", kind, batch=batch))
    rows = [read_journal(tmp_path / name / "metrics.jsonl")[-1] for name in ("whole", "parts")]
    for key in ("loss/l2", "loss/total_main", "norm/main"):
        assert rows[0][key] == pytest.approx(rows[1][key], abs=1e-5), key


def test_a_run_of_micro_batches_goes_on_bit_equal(tmp_path):
    settings = {"batch": 2, "accumulate": 4}
    straight = trained(tmp_path / "straight", Noisy, **settings)
    recipe = toy.recipe(12, optimizer=SgdChoice(momentum=0.9), **settings)
    toy.begin(tmp_path / "cut", Noisy(), recipe, until=5)
    toy.begin(tmp_path / "cut", Noisy(), recipe)
    assert torch.equal(weights(tmp_path / "cut"), straight)


class Coupled(toy.Smooth):
    def coupling(self):
        return "the samples look at each other"


@pytest.mark.parametrize(
    ("task", "fault"),
    [(toy.Normed, "`net` has batch norms"), (Coupled, "the samples look at each other")],
)
def test_a_batch_that_is_more_than_its_parts_is_refused(tmp_path, task, fault):
    with pytest.raises(RecipeError, match=f"`accumulate`: {fault}") as caught:
        toy.begin(tmp_path, task(), toy.recipe(12, accumulate=2))
    assert "recompute" in caught.value.hint


def test_batch_norms_that_stand_still_may_be_accumulated(tmp_path):
    class Frozen(toy.Normed):
        freeze_batch_norm = True

    whole = trained(tmp_path / "whole", Frozen, batch=8)
    assert (trained(tmp_path / "parts", Frozen, batch=2, accumulate=4) - whole).abs().max() < 1e-5


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 6), norm(6), nn.Dropout(0.3), nn.Tanh())

    def forward(self, x, *, shift=0.0):
        return x + self.layers(x) + shift


class Net(nn.Module):
    def __init__(self, norm=nn.BatchNorm1d):
        super().__init__()
        self.head = nn.Linear(6, 6)
        self.body = nn.ModuleList([Block(norm), Block(norm)])

    def forward(self, x):
        x = self.body[0](self.head(x))
        return self.body[1](x, shift=x.mean())


def counted(net, x):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        loss = net(x).square().sum()
    return loss, len(kept)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, SharedBatchNorm])
def test_recomputed_blocks_give_the_same_gradients_and_statistics(norm):
    torch.manual_seed(0)
    plain = Net(norm)
    again = Net(norm)
    again.load_state_dict(plain.state_dict())
    recompute(again)
    assert list(blocks_of(again)) == list(again.body)
    x, states = torch.randn(8, 6), []
    for net in (plain, again):
        torch.manual_seed(1)
        loss, kept = counted(net, x)
        loss.backward()
        gradients = {name: p.grad for name, p in net.named_parameters()}
        states.append((gradients, dict(net.named_buffers()), kept))
    for one, other in zip(states[0][:2], states[1][:2], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert states[1][2] < states[0][2] / 2


def test_recomputing_changes_no_bit_of_a_run(tmp_path):
    plain = trained(tmp_path / "plain", toy.Weighted)
    assert torch.equal(trained(tmp_path / "again", toy.Weighted, recompute=True), plain)
    assert json.loads((tmp_path / "again" / "metrics.jsonl").read_text().splitlines()[0])
