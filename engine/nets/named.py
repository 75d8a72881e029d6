"""Frozen networks by the name of their weights: a run, a file, or a name that tm knows."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import ModuleList

from engine.core.errors import UsageError, WeightsError
from engine.nets.age.dex_vgg import Dex
from engine.nets.architectures import architecture_of, network_of
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.loading import Net, frozen
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_evaluator import NanoAgeEvaluator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.landmarks import NanoLandmarks
from engine.nets.perceptual.features import FeatureDistance
from engine.nets.protocols import (
    AgeEstimator,
    ArcFaceIdentity,
    DexEstimator,
    Distance,
    LandmarkDetector,
    LpipsDistance,
    NanoAgeEstimator,
    NanoIdentityNetwork,
    NanoLandmarkDetector,
    weights_digest,
)
from engine.weights.checkpoint import StateDict
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint, read_known

ARCFACE, NANO_IDENTITY = "ir-se50", "nano-identity"
DEX, NANO_AGE = "dex", "nano-age"
NANO_LANDMARKS, NANO_AGE_EVALUATOR = "nano-landmarks", "nano-age-evaluator"
NANO_AGE_ORDINAL = "nano-age-ordinal"
LPIPS = "lpips-alex"
DISTANCES: Mapping[str, tuple[str, ...]] = {
    LPIPS: (LPIPS,),
    "nano-features": (NANO_IDENTITY, NANO_AGE, NANO_LANDMARKS),
    "nano-identity-features": (NANO_IDENTITY,),
    "nano-evaluator-features": (NANO_AGE_EVALUATOR,),
}
"""Distances between pictures, and the weights behind each."""
IDENTITY_NETWORKS, AGE_ESTIMATORS = (ARCFACE, NANO_IDENTITY), (DEX, NANO_AGE, NANO_AGE_EVALUATOR)
"""What has a name; any other text is a run, or a weights file, that holds such a network."""


def state_of(weights: str, part: str, *, copy: bool = False) -> StateDict:
    """The state dict of one part of named weights; WeightsError if they have no such part.

    copy: give tensors of its own, for networks that outlive the file or are trained.
    """
    path = find_weights(weights)
    try:
        return read_checkpoint(path).part(part, copy=copy)
    except WeightsError as error:
        raise WeightsError(f"`{weights}` cannot give `{part}`: {error}", hint=error.hint) from None


def frozen_net(build: Callable[[StateDict], Net], weights: str, part: str) -> Net:
    """The network that `build` makes of the part `part` of named weights, frozen."""
    return frozen(build(state_of(weights, part, copy=True)))


def load_identity_network(name: str, device: torch.device) -> ArcFaceIdentity | NanoIdentityNetwork:
    """An identity network; WeightsError says where to get what is not here."""
    network = identity_network_of(state_of(name, "identity"))
    _require_named(name, network.name, IDENTITY_NETWORKS)
    network.net.to(device)
    return network


def identity_network_of(state: StateDict) -> ArcFaceIdentity | NanoIdentityNetwork:
    """The identity network whose weights these are, frozen."""
    digest, net = weights_digest(state), frozen(network_of(state, "identity"))
    if isinstance(net, NanoIdentity):
        return NanoIdentityNetwork(net, digest)
    assert isinstance(net, ArcFace)
    return ArcFaceIdentity(net, digest)


def load_age_estimator(name: str, device: torch.device) -> AgeEstimator:
    """An age estimator; errors as of `load_identity_network`."""
    state = state_of(name, "age")
    architecture = architecture_of(state, "age")
    _require_named(name, architecture.name, AGE_ESTIMATORS)
    net = frozen(architecture.build(state)).to(device)
    if isinstance(net, Dex):
        return DexEstimator(net)
    if isinstance(net, NanoAge | NanoAgeEvaluator):
        return NanoAgeEstimator(net, architecture.name)
    raise WeightsError(f"`{name}` holds a `{architecture.name}`, which is an expert of `relabel`")


def load_classifier(name: str, device: torch.device) -> PersonClassifier:
    """A person classifier from a run or a file; errors as of `load_identity_network`."""
    return frozen(PersonClassifier.from_state(state_of(name, "person_classifier"))).to(device)


def load_landmark_detector(name: str, device: torch.device) -> LandmarkDetector:
    """A landmark detector; errors as of `load_identity_network`."""
    net = frozen(NanoLandmarks.from_state(state_of(name, "landmarks")))
    return NanoLandmarkDetector(net.to(device))


def load_distance(name: str, device: torch.device) -> Distance:
    """A perceptual distance, for losses or for evaluation, by one of the names in `DISTANCES`.

    LPIPS needs its backbone in the weights folder; the features are those of the nano networks that
    losses use, together or of the identity network alone, or of the nano age network that is in no
    loss.
    """
    match name:
        case "lpips-alex":
            return load_lpips(device)
        case "nano-features":
            return _joint_features(device)
        case "nano-identity-features":
            net = frozen(NanoIdentity.from_state(state_of(NANO_IDENTITY, "identity"))).to(device)
            return FeatureDistance("features of nano-identity", net.features, net)
        case "nano-evaluator-features":
            net = frozen(NanoAgeEvaluator.from_state(state_of(NANO_AGE_EVALUATOR, "age"))).to(
                device
            )
            return FeatureDistance("features of nano-age-evaluator", net.features, net)
        case _:
            raise UsageError(f"unknown distance `{name}`", hint=f"known: {', '.join(DISTANCES)}")


def load_lpips(device: torch.device) -> LpipsDistance:
    """LPIPS on AlexNet; WeightsError where its backbone is not in the weights folder."""
    from engine.nets.perceptual.lpips import Perceptual

    net = Perceptual.from_state(read_known(LPIPS).part("backbone"), backbone="alex")
    return LpipsDistance(net.to(device))


def _joint_features(device: torch.device) -> FeatureDistance:
    """The features of the identity, the age and the landmark network, one after another."""
    nets = [
        frozen(NanoIdentity.from_state(state_of(NANO_IDENTITY, "identity"))),
        frozen(NanoAge.from_state(state_of(NANO_AGE, "age"))),
        frozen(NanoLandmarks.from_state(state_of(NANO_LANDMARKS, "landmarks"))),
    ]

    def features(pictures: Tensor) -> list[Tensor]:
        return [features for net in nets for features in net.features(pictures)]

    name = "features of nano-identity, nano-age and nano-landmarks"
    return FeatureDistance(name, features, ModuleList(nets).to(device))


def _require_named(name: str, held: str, names: tuple[str, ...]) -> None:
    """UsageError where weights are called by the name of another network."""
    if name in names and name != held:
        raise UsageError(f"the weights called `{name}` are those of `{held}`")
