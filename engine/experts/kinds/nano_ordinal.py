"""The ordinal nano age network: the birthdays that somebody seems to have passed."""

from dataclasses import dataclass
from typing import Literal

import torch

from engine.experts.base import EXPERTS, Answer, Expert, ExpertTable, Faces
from engine.nets.faces import weights_digest
from engine.nets.loading import frozen
from engine.nets.named import state_of
from engine.nets.nano.age_ordinal import NanoAgeOrdinal, passed_shares


@EXPERTS.register("nano-ordinal")
class OrdinalTable(ExpertTable):
    """Drawn portraits only; 80 px, RGB in [-1, 1], of which it takes the luma, as trained
    (`recipes/nano/age_ordinal.toml`).
    """

    domain = "portraits"
    seen = "aligned face, 80 px luma in [-1, 1]"
    kind: Literal["nano-ordinal"] = "nano-ordinal"
    weights: str = "nano-age-ordinal"

    def load(self, device: torch.device) -> Expert:
        state = state_of(self.weights, "age")
        return OrdinalExpert(
            frozen(NanoAgeOrdinal.from_state(state)).to(device), weights_digest(state)
        )


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalExpert:
    """The shares between neighbouring birthdays are the answer."""

    net: NanoAgeOrdinal
    digest: str

    def answer(self, faces: Faces) -> Answer:
        device = self.net.gaps.device
        return Answer.of_shares(passed_shares(self.net(faces.at(self.net.spec.size).to(device))))
