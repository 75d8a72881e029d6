"""Named settings of semi-hard mining, from the training runs of the MyTimeMachine fork."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """Impostors per face, the band of their cosines, the number of most similar candidates.

    temperature: of the contrastive loss in the same runs.
    """

    k: int
    low: float
    high: float
    top_m: int = 512
    temperature: float = 0.07

    @property
    def table(self) -> dict[str, Any]:
        """The recipe table of the miner."""
        band = {"low": self.low, "high": self.high}
        return {"kind": "semi_hard", "k": self.k, **band, "top_m": self.top_m}


PROFILES = {
    "baseline": Profile(k=64, low=0.20, high=0.70),
    "soft": Profile(k=48, low=0.25, high=0.65),
    "soft-0.60": Profile(k=48, low=0.25, high=0.60, top_m=768, temperature=0.12),
    "soft32": Profile(k=32, low=0.25, high=0.65),
}
