import argparse

import pytest
import torch
from spandrel.architectures.Compact import Compact

from engine.core.errors import WeightsError
from engine.weights.formats.base import FORMATS
from engine.weights.load import read_checkpoint, read_content
from engine.weights.manifest import known_weights


@pytest.fixture
def fork(toys):
    """What the fork's coach saves: averaged decoder beside the raw one, optimizer, longer heads."""

    def make(**rest):
        parts = {"encoder": toys.encoder(4, fork=True), "decoder": toys.decoder()}
        parts |= {"blender": toys.blender(), "pretrained_encoder": toys.encoder(3, fork=True)}
        shadow = {key: value + 1 for key, value in parts["decoder"].items()}
        content = {
            "state_dict": toys.joined(**parts),
            "optimizer": {"state": {0: {"slow_buffer": torch.ones(2)}}, "param_groups": []},
            "global_step": 50500,
            "opts": {"coach": "orig_nn", "ema": True},
            "latent_avg": torch.randn(8, 512),
            "ema": {"decoder": {"decay": 0.999, "shadow": shadow}},
            "ema_scope": "decoder",
            "ema_decay": 0.999,
        }
        return content | rest, parts

    return make


def test_sam_gives_three_parts_and_the_average_latent(toys, saved, same):
    content = toys.sam()
    checkpoint = read_checkpoint(saved(content))
    assert checkpoint.kind == "sam"
    assert set(checkpoint.parts) == {"encoder", "decoder", "pretrained_encoder"}
    for part, state in checkpoint.parts.items():
        prefix = f"{part}."
        stored = {
            k[len(prefix) :]: v for k, v in content["state_dict"].items() if k.startswith(prefix)
        }
        assert same(state, stored)
    assert torch.equal(checkpoint.latent_avg, content["latent_avg"])
    assert checkpoint.facts["layout"] == "published"
    assert checkpoint.facts["input_channels"] == 4
    assert checkpoint.facts["size"] == 32
    assert checkpoint.facts["options"] == {"coach": None, "lr": 1e-4}
    assert not checkpoint.ema


def test_an_encoder_is_not_mistaken_for_the_pretrained_one(toys):
    content = toys.sam()
    checkpoint = read_content(content)
    key = "input_layer.0.weight"
    assert checkpoint.part("encoder")[key].shape[1] == 4
    assert checkpoint.part("pretrained_encoder")[key].shape[1] == 3


def test_psp_has_no_prior(toys, saved):
    state = toys.joined(encoder=toys.encoder(3), decoder=toys.decoder())
    content = {"state_dict": state, "latent_avg": torch.ones(8, 512), "opts": {}}
    checkpoint = read_checkpoint(saved(content))
    assert checkpoint.kind == "psp"
    assert set(checkpoint.parts) == {"encoder", "decoder"}
    with pytest.raises(WeightsError, match="with `encoder`, `decoder` has no `adapter`"):
        checkpoint.part("adapter")


def test_mytm_gives_its_adapter_and_the_step_in_its_name(toys, saved, same):
    content = toys.sam()
    content["state_dict"] |= toys.joined(blender=toys.blender())
    checkpoint = read_checkpoint(saved(content, "iteration_15000.pt"))
    assert checkpoint.kind == "mytm"
    assert set(checkpoint.parts["adapter"]) == {"age_mlp.0.weight", "fc_0.2.bias"}
    assert checkpoint.step == 15000
    assert checkpoint.facts["adapter_used"]


@pytest.mark.parametrize("coach", ["tune_no_psp", "orig"])
def test_an_adapter_that_its_coach_never_trained_is_named_as_unused(toys, coach):
    content = toys.sam(opts={"coach": coach})
    content["state_dict"] |= toys.joined(blender=toys.blender())
    assert not read_content(content).facts["adapter_used"]


def test_the_fork_is_read_with_its_averaged_decoder(fork, saved, same):
    content, parts = fork()
    checkpoint = read_checkpoint(saved(content))
    assert checkpoint.kind == "fork"
    assert checkpoint.ema
    assert checkpoint.step == 50500
    assert checkpoint.facts["layout"] == "fork"
    assert checkpoint.facts["coach"] == "orig_nn"
    assert not checkpoint.facts["adapter_used"]
    assert same(checkpoint.parts["decoder"], {k: v + 1 for k, v in parts["decoder"].items()})
    assert same(checkpoint.parts["encoder"], parts["encoder"])


def test_the_forks_raw_weights_are_there_for_who_asks(fork, same):
    content, parts = fork()
    checkpoint = read_content(content, ema=False)
    assert not checkpoint.ema
    assert same(checkpoint.parts["decoder"], parts["decoder"])


def test_a_fork_without_averages_is_read_raw(fork, same):
    content, parts = fork()
    del content["ema"]
    checkpoint = read_content(content)
    assert checkpoint.kind == "fork"
    assert not checkpoint.ema
    assert same(checkpoint.parts["decoder"], parts["decoder"])


def test_averages_over_the_adapter_and_over_everything_are_applied(fork, toys):
    content, parts = fork()
    both = {name: {"decay": 0.9, "shadow": {}} for name in ("blender", "all")}
    both["blender"]["shadow"] = {k: v * 0 for k, v in parts["blender"].items()}
    both["all"]["shadow"] = {"encoder.latlayer1.bias": torch.full((4,), 9.0)}
    checkpoint = read_content(content | {"ema": both})
    assert checkpoint.parts["adapter"]["fc_0.2.bias"].tolist() == [0, 0, 0, 0]
    assert checkpoint.parts["encoder"]["latlayer1.bias"].tolist() == [9, 9, 9, 9]


def test_averaged_counters_keep_their_type(fork):
    content, _ = fork()
    shadow = {"body.0.res_layer.0.num_batches_tracked": torch.tensor(3.7)}
    checkpoint = read_content(content | {"ema": {"encoder": {"decay": 0.9, "shadow": shadow}}})
    assert (
        checkpoint.parts["encoder"]["body.0.res_layer.0.num_batches_tracked"].dtype == torch.int64
    )


@pytest.mark.parametrize(
    ("ema", "said"),
    [
        ([1], "is list"),
        ({"decoder": {"decay": 0.9}}, "`ema.decoder` has no `shadow`"),
        ({"decoder": {"shadow": {"nonsense": torch.ones(1)}}}, "averages `nonsense`"),
        ({"decoder": {"shadow": {"style.1.weight": torch.ones(3)}}}, r"as \[3\], not \[4, 4\]"),
    ],
)
def test_averages_that_do_not_belong_are_an_error(fork, ema, said):
    content, _ = fork(ema=ema)
    with pytest.raises(WeightsError, match=said):
        read_content(content)


def test_rosinality_gives_the_averaged_generator_and_repeats_its_latent(toys, saved, same):
    averaged, raw, latent = toys.decoder(64), toys.decoder(64), torch.randn(512)
    options = argparse.Namespace(size=64)
    content = {"g": raw, "g_ema": averaged, "d": {"final_conv.0.weight": torch.ones(2)}}
    checkpoint = read_checkpoint(saved(content | {"latent_avg": latent, "args": options}))
    assert checkpoint.kind == "rosinality"
    assert checkpoint.ema
    assert same(checkpoint.parts["decoder"], averaged)
    assert set(checkpoint.parts) == {"decoder", "discriminator"}
    assert checkpoint.latent_avg.shape == (10, 512)
    assert all(torch.equal(row, latent) for row in checkpoint.latent_avg)
    assert checkpoint.facts == {"size": 64, "options": {"size": 64}}


def test_rosinality_without_extras(toys, same):
    state = toys.decoder(1024)
    checkpoint = read_content({"g_ema": state, "latent_avg": torch.zeros(512)})
    assert checkpoint.latent_avg.shape == (18, 512)
    assert read_content({"g_ema": state}).latent_avg is None


@pytest.mark.parametrize("latent", [torch.ones(7, 512), torch.ones(3), 3.0])
def test_an_average_latent_of_another_shape_is_an_error(toys, latent):
    with pytest.raises(WeightsError, match="latent_avg"):
        read_content(toys.sam(latent_avg=latent))


def test_ir_se50_is_a_bare_state_dict(toys, saved, same):
    state = toys.ir_se50()
    checkpoint = read_checkpoint(saved(state, "model_ir_se50.pth"))
    assert checkpoint.kind == "ir_se50"
    assert same(checkpoint.parts["identity"], state)


@pytest.mark.parametrize("wrapped", [True, False])
def test_dex_names_lose_their_dashes(toys, saved, wrapped):
    state = toys.dex()
    checkpoint = read_checkpoint(saved({"state_dict": state} if wrapped else state))
    assert checkpoint.kind == "dex"
    assert set(checkpoint.parts["age"]) == {
        "conv1_1.weight",
        "conv5_3.weight",
        "fc6.weight",
        "fc8_101.bias",
    }


def test_agetransformer_is_distinguished_from_rosinality(toys, saved, same):
    averaged, raw = toys.agetransformer(), toys.agetransformer()
    content = {"g": raw, "d": {"convs.0.0.weight": torch.ones(1)}, "g_ema": averaged}
    content |= {"g_optim": {"state": {}}, "d_optim": {"state": {}}}
    checkpoint = read_checkpoint(saved(content, "600000.pt"))
    assert checkpoint.kind == "agetransformer"
    assert checkpoint.step == 600000
    assert same(checkpoint.parts["generator"], averaged)
    assert set(checkpoint.parts) == {"generator", "discriminator"}
    only_raw = read_content({"g": raw})
    assert not only_raw.ema
    assert same(only_raw.parts["generator"], raw)


def test_a_namespace_around_everything_is_opened(toys):
    assert read_content(argparse.Namespace(**toys.sam())).kind == "sam"


def test_a_key_of_no_part_is_an_error_that_names_it(toys, saved):
    content = toys.sam()
    content["state_dict"]["encodr.latlayer1.bias"] = torch.ones(1)
    with pytest.raises(
        WeightsError, match="keys of no known part: `encodr.latlayer1.bias`"
    ) as error:
        read_checkpoint(saved(content))
    assert str(saved(content)) in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        {"model": {}},
        {},
        [1, 2],
        torch.ones(3),
        {"state_dict": 3},
        {"state_dict": {"w": torch.ones(1)}},
    ],
)
def test_a_file_of_another_project_is_refused(saved, content):
    with pytest.raises(WeightsError, match="no checkpoint that is known here") as error:
        read_checkpoint(saved(content))
    assert all(FORMATS[kind].label in error.value.hint for kind in FORMATS)


def test_values_that_are_no_tensors_are_named(toys):
    content = toys.sam()
    content["state_dict"]["encoder.note"] = "hello"
    with pytest.raises(WeightsError, match="no tensors: encoder.note"):
        read_content(content)


def caffe():
    return {"conv1_7x7_s2.weight": torch.ones(1), "classage.weight": torch.ones(3, 2, 1, 1)}


SAMPLES = {
    "sam": lambda toys: toys.sam(),
    "rosinality": lambda toys: {"g_ema": toys.decoder()},
    "agetransformer": lambda toys: {"g_ema": toys.agetransformer()},
    "ir_se50": lambda toys: toys.ir_se50(),
    "dex": lambda toys: toys.dex(),
    "vgg16": lambda toys: {"conv.4.conv3.weight": torch.ones(1), "cls.bias": torch.ones(1)},
    "resnet50": lambda toys: {"model": {f"module.{key}": value for key, value in caffe().items()}},
    "mivolo": lambda toys: {
        "state_dict": {f"{k}.x": torch.ones(1) for k in ("patch_embed", "network", "head", "fds")},
        "min_age": 1,
        "max_age": 95,
        "avg_age": 48,
    },
    "inception": lambda toys: {
        f"{name}.x": torch.ones(1) for name in ("Conv2d_1a_3x3", "Mixed_5b", "Mixed_7c", "fc")
    },
    "backbone": lambda toys: {f"features.{k}.weight": torch.ones(1) for k in (0, 3, 6, 8, 10)},
    "age_gate": lambda toys: {"gating.weight": torch.ones(1), "expert_mlps.0.x": torch.ones(1)},
    "spandrel": lambda toys: {"params": Compact(num_conv=1, upscale=2).state_dict()},
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_exactly_one_format_recognises_a_file(toys, kind):
    content = SAMPLES[kind](toys)
    assert [name for name in FORMATS if FORMATS[name].detect(content)] == [kind]
    assert read_content(content).kind == kind


def test_what_is_no_weight_is_left_out_and_facts_are_read(toys):
    mivolo = read_content(SAMPLES["mivolo"](toys))
    assert set(mivolo.part("age")) == {"patch_embed.x", "network.x", "head.x"}
    assert mivolo.facts["age_scale"] == {"low": 1.0, "high": 95.0, "middle": 48.0}
    resnet = read_content(SAMPLES["resnet50"](toys))
    assert resnet.part("age")["classage.weight"].shape == (3, 2)
    assert resnet.facts["layout"] == "caffe"
    assert read_content(SAMPLES["backbone"](toys)).facts["network"] == "alex"
    assert set(read_content(SAMPLES["vgg16"](toys)).part("age")) == {
        "conv5_3.weight",
        "fc8_101.bias",
    }


def test_every_kind_of_the_manifest_is_a_format():
    assert {weight.kind for weight in known_weights().weights} - {None} <= set(FORMATS)
