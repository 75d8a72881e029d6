"""A classifier that tells one person from everybody else (`specs/mytm.md` 2.9)."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec
from engine.nets.loading import built
from engine.nets.nano.identity import IdentitySpec, NanoIdentity

BACKBONE = "feature_extractor."
LOST_STRIDE = 224  # px that a 112-px backbone seems to want whose first stride is missing


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
        if "trunk.stem.1.weight" in inner:
            nano = IdentitySpec.of(inner)
            return built(lambda: cls(NanoIdentity(nano)), state, name="a person classifier")
        arcface = ArcFaceSpec.of(inner)
        if arcface.size == LOST_STRIDE:
            raise WeightsError(
                "this classifier was trained on a backbone that had lost its first stride",
                hint="train one anew on the published backbone",
            )
        return built(lambda: cls(ArcFace(arcface)), state, name="a person classifier")

    @property
    def size(self) -> int:
        """Side in px of the pictures it looks at."""
        return self.feature_extractor.spec.size

    def forward(self, pictures: Tensor) -> Tensor:
        return self.classifier(self.feature_extractor(pictures))
