"""When a training is on a plateau."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.core.table import Table


class FlatCurve(Table):
    """A curve, and for how long it must stay flat."""

    metric: str
    """A figure of the journal, such as `loss/real/identity` or `val/loss`; lower is better."""
    window: int = Field(gt=0)
    """Steps without a new lowest value that make a plateau."""


class PlateauRule(FlatCurve):
    """Curves whose trend is logged, and which may end the run where all of them stay flat.

    `"ancestor"` is the rule of the MyTimeMachine fork: 1,200 steps without a better validation
    loss, and 800 without better identity.
    """

    also: tuple[FlatCurve, ...] = ()
    """Further curves, which must be flat too."""
    stop: bool = False
    """Whether a plateau ends the run."""

    @property
    def curves(self) -> tuple[FlatCurve, ...]:
        """All the curves."""
        return (self, *self.also)


ANCESTOR: Mapping[str, Any] = {
    "metric": "val/loss",
    "window": 1200,
    "also": [{"metric": "val/loss_identity", "window": 800}],
}
"""The automatic rule of the fork, in a recipe `plateau = "ancestor"`."""
