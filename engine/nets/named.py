"""The frozen network that a name means, behind the protocol it serves."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import ModuleList

from engine.core.errors import UsageError, WeightsError
from engine.nets.age.dex_vgg import Dex
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.loading import frozen
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_judge import NanoAgeJudge
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
from engine.weights.folder import weights_file
from engine.weights.load import read_checkpoint, read_tensors

ARCFACE, NANO_IDENTITY = "ir-se50", "nano-identity"
DEX, NANO_AGE = "dex", "nano-age"
NANO_LANDMARKS, NANO_AGE_JUDGE = "nano-landmarks", "nano-age-judge"
DISTANCES: Mapping[str, tuple[str, ...]] = {
    "lpips-alex": ("lpips-alex",),
    "nano-features": (NANO_IDENTITY, NANO_AGE, NANO_LANDMARKS),
    "nano-identity-features": (NANO_IDENTITY,),
    "nano-judge-features": (NANO_AGE_JUDGE,),
}
"""Distances between pictures, and the weights behind each."""
IDENTITY_NETWORKS, AGE_ESTIMATORS = (ARCFACE, NANO_IDENTITY), (DEX, NANO_AGE, "nano-age-judge")
"""What has a name; any other text is a run, or a weights file, that holds such a network."""


def load_identity_network(name: str, device: torch.device) -> ArcFaceIdentity | NanoIdentityNetwork:
    """A identity_net; WeightsError says where to get what is not here, or what a file holds."""
    identity_net = identity_network_of(state_of(name, "identity"))
    _require_named(name, identity_net.name, IDENTITY_NETWORKS)
    identity_net.net.to(device)
    return identity_net


def load_age_estimator(name: str, device: torch.device) -> AgeEstimator:
    """A reader of ages; errors as of `load_identity_network`."""
    state = state_of(name, "age")
    reader: NanoAgeEstimator | DexEstimator
    if "trunk.stem.1.weight" in state:
        reader = NanoAgeEstimator(frozen(NanoAge.from_state(state)))
    elif "stages.0.0.weight" in state:
        reader = NanoAgeEstimator(frozen(NanoAgeJudge.from_state(state)), "nano-age-judge")
    else:
        reader = DexEstimator(frozen(Dex.from_state(state)))
    _require_named(name, reader.name, AGE_ESTIMATORS)
    reader.net.to(device)
    return reader


def load_classifier(name: str, device: torch.device) -> PersonClassifier:
    """A person classifier from a run or a file; errors as of `load_identity_network`."""
    return frozen(PersonClassifier.from_state(state_of(name, "person_classifier"))).to(device)


def load_landmark_detector(name: str, device: torch.device) -> LandmarkDetector:
    """A reader of landmarks; errors as of `load_identity_network`."""
    reader = NanoLandmarkDetector(frozen(NanoLandmarks.from_state(state_of(name, "landmarks"))))
    reader.net.to(device)
    return reader


def load_distance(name: str, device: torch.device) -> Distance:
    """A distance for losses or for judging, by one of the names in `DISTANCES`.

    LPIPS needs its backbone in the weights folder; the features are those of the nano networks that
    losses use, together or of the identity network alone, or of the nano age judge, which is in no
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
        case "nano-judge-features":
            judge = frozen(NanoAgeJudge.from_state(state_of(NANO_AGE_JUDGE, "age"))).to(device)
            return FeatureDistance("features of nano-age-judge", judge.features, judge)
        case _:
            raise UsageError(f"unknown distance `{name}`", hint=f"known: {', '.join(DISTANCES)}")


def _joint_features(device: torch.device) -> FeatureDistance:
    """Who somebody is, how old and where the face is: each sees what the others pass over."""
    nets = [
        frozen(NanoIdentity.from_state(state_of(NANO_IDENTITY, "identity"))),
        frozen(NanoAge.from_state(state_of(NANO_AGE, "age"))),
        frozen(NanoLandmarks.from_state(state_of(NANO_LANDMARKS, "landmarks"))),
    ]

    def features(pictures: Tensor) -> list[Tensor]:
        return [found for net in nets for found in net.features(pictures)]

    name = "features of nano-identity, nano-age and nano-landmarks"
    return FeatureDistance(name, features, ModuleList(nets).to(device))


def load_lpips(device: torch.device) -> Distance:
    """LPIPS on AlexNet; WeightsError where its backbone is not in the weights folder."""
    from engine.nets.perceptual.lpips import Perceptual

    net = Perceptual.from_state(read_tensors(weights_file("lpips-alex")), backbone="alex")
    return LpipsDistance(net.to(device))


def identity_network_of(state: StateDict) -> ArcFaceIdentity | NanoIdentityNetwork:
    """The identity_net whose weights these are, frozen."""
    digest = weights_digest(state)
    if "trunk.stem.1.weight" in state:
        return NanoIdentityNetwork(frozen(NanoIdentity.from_state(state)), digest)
    return ArcFaceIdentity(frozen(ArcFace.from_state(state)), digest)


def state_of(name: str, part: str) -> StateDict:
    """A part of named weights, of a file or of a run; WeightsError if it has none of that name."""
    path = find_weights(name)
    try:
        return read_checkpoint(path).part(part)
    except WeightsError as error:
        raise WeightsError(f"`{name}` serves no {part}: {error}", hint=error.hint) from None


def _require_named(name: str, found: str, names: tuple[str, ...]) -> None:
    if name in names and name != found:
        raise UsageError(f"the weights called `{name}` are those of `{found}`")
