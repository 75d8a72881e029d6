"""A person of a dozen renders, impostors, and networks of a few thousand parameters, on disk."""

import shutil

import torch

from engine.banks.build import BankPlan, build_bank
from engine.core.numbers import Span
from engine.core.progress import Silence
from engine.nets.named import load_identity_network
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.base import BaseSpec
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks
from engine.nets.protocols import NanoIdentityNetwork, weights_digest
from engine.prep.synth import SynthPlan, synthesise
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native

BASE = BaseSpec(size=32, luma=20, colour=8, detail=20, window=(12, 10))
PERSON, IMPOSTORS = 900_000, 450_000
SIZE = 32
CPU = torch.device("cpu")

RECIPE = """
kind = "personal"
start = "{folder}/prior.safetensors"
photos = "{folder}/photos"
domain = "portraits"
batch = 2
save_every = 3
validate_every = 3
log_every = 1
threads = 1
average = {{ decay = 0.9, parts = ["decoder"] }}
validation = {{ photos = 2, targets = 2, beyond = [70] }}
targets = {{ kind = "curriculum", ages = "5..90", beyond = 0.3 }}

[networks]
identity = "{folder}/identity.safetensors"
age = "{folder}/age.safetensors"
age_evaluator = "{folder}/age_evaluator.safetensors"

[[phase]]
name = "stage1"
steps = 4
rate = 1e-3
optimizer = "ranger"

[[phase]]
name = "stage2"
steps = 4
rate = 1e-3
trainable = ["adapter", "decoder"]

[[loss]]
kind = "identity"
weight = 1.0

[[loss]]
kind = "ageing"
weight = 1.0

[[loss]]
kind = "pixel"
when = "same"
weight = 1.0

[[loss]]
kind = "adaptive_w_norm"
weight = 0.01

[[loss]]
kind = "nearest_id"
weight = "0:0, 4:0.1"
"""
MINED = """
[[loss]]
kind = "contrastive_id"
weight = 0.1

[[loss]]
kind = "roi_id"
weight = "0:0.05, 4:0.07"
regions = ["eyes", "mouth"]
size = 32
"""
MINER = """
[miner]
kind = "semi_hard"
k = 4
top_m = 8
low = -1.0
high = 1.0
"""


def photos(folder, people=1, per_person=12, seed=PERSON):
    """Renders of ages 20 to 50 with their manifest."""
    plan = SynthPlan(folder, people, per_person, ages=Span(20, 50), size=SIZE, seed=seed)
    synthesise(plan, workers=1, progress=Silence())
    return folder


def make(folder):
    """`photos` of the person, `impostors`, weights of every role, a bank, and two recipes.

    `toy.toml` has no impostors; `mined.toml` has a miner, the contrastive loss and regions.
    """
    photos(folder / "photos")
    photos(folder / "impostors", people=6, per_person=4, seed=IMPOSTORS)
    torch.manual_seed(0)
    nets = {
        "encoder": NanoAgeing(NanoAgeingSpec(BASE, 16, (4, 4, 4), 8)),
        "pretrained_encoder": NanoEncoder(NanoEncoderSpec(BASE, 16, (4, 4, 4), 8)),
        "decoder": NanoGenerator(NanoGeneratorSpec(BASE, 16, 4, 4)),
    }
    for net in nets.values():
        net.base.fit([torch.rand(200, 3, SIZE, SIZE) * 2 - 1])
    torch.nn.init.normal_(nets["encoder"].styles.weight, std=0.1)
    parts = {name: net.state_dict() for name, net in nets.items()}
    average = torch.zeros(nets["decoder"].spec.n_latent, 16)
    facts = {"encoder_size": SIZE, "domain": "portraits", "ood_threshold": 9.0}
    save_native(folder / "prior.safetensors", Checkpoint("native", parts, average, facts=facts))
    networks = {
        "identity": NanoIdentity(IdentitySpec(SIZE, 8, (4, 8))),
        "age": NanoAge(AgeSpec(SIZE, 101, (4, 8))),
        "landmarks": NanoLandmarks(LandmarksSpec(SIZE, (4, 8), 8)),
    }
    for name, net in networks.items():
        save_native(folder / f"{name}.safetensors", Checkpoint("native", {name: net.state_dict()}))
    other = NanoAge(AgeSpec(SIZE, 101, (4, 8)))
    weights = Checkpoint("native", {"age": other.state_dict()})
    save_native(folder / "age_evaluator.safetensors", weights)
    bank_of(folder, folder / "bank.safetensors")
    text = RECIPE.format(folder=folder)
    (folder / "toy.toml").write_text(text)
    bank = f'bank = "{folder}/bank.safetensors"\n'
    landmarks = f'landmarks = "{folder}/landmarks.safetensors"\n'
    text = text.replace("[networks]\n", f"[networks]\n{landmarks}")
    (folder / "mined.toml").write_text(bank + text + MINED + MINER)
    return folder


def copied(made, folder):
    """A copy that a test may change; the recipes in it name its own files."""
    shutil.copytree(made, folder)
    for recipe in folder.glob("*.toml"):
        recipe.write_text(recipe.read_text().replace(str(made), str(folder)))
    return folder


def bank_of(world, out, source=None):
    """A bank of the impostors, or of another folder, by the world's identity network."""
    identity = load_identity_network(str(world / "identity.safetensors"), CPU)
    plan = BankPlan(world / "impostors" if source is None else source, out)
    return build_bank(plan, identity, Silence(), device=CPU).bank


def other_identity_network():
    """One with other weights than the world's."""
    torch.manual_seed(9)
    net = NanoIdentity(IdentitySpec(SIZE, 8, (4, 8))).eval()
    return NanoIdentityNetwork(net, weights_digest(net.state_dict()))
