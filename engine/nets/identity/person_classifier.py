"""A classifier of one person against everybody else, on a frozen identity network."""

from collections.abc import Mapping
from typing import Self, cast

from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.architectures import network_of
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.loading import built
from engine.nets.nano.identity import NanoIdentity

BACKBONE = "feature_extractor."
LOST_STRIDE = 224  # px that a 112-px backbone seems to need whose first stride is missing


class PersonClassifier(nn.Module):
    """Whole aligned portraits (b, 3, size, size) in [-1, 1] to logits (b, 2), class 1 the person.

    A linear layer on unit embeddings of the backbone.
    """

    def __init__(self, feature_extractor: ArcFace | NanoIdentity) -> None:
        super().__init__()
        self.feature_extractor = feature_extractor
        self.classifier = nn.Linear(feature_extractor.spec.embedding, 2)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The classifier that a state dict describes, holding its tensors; every key must fit."""
        inner = {
            key.removeprefix(BACKBONE): value
            for key, value in state.items()
            if key.startswith(BACKBONE)
        }
        backbone = cast("ArcFace | NanoIdentity", network_of(inner, "identity"))
        if isinstance(backbone, ArcFace) and backbone.spec.size == LOST_STRIDE:
            raise WeightsError(
                "this classifier was trained on a backbone that had lost its first stride",
                hint="train one anew on the published backbone",
            )
        return built(lambda: cls(backbone), state, name="a person classifier")

    @property
    def size(self) -> int:
        """Side in px of its input."""
        return self.feature_extractor.spec.size

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classifier(self.feature_extractor(pictures))
