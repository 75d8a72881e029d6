"""What the landscape trainings share: their data and batches."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from engine.core.progress import Progress
from engine.data.landscapes import (
    Balance,
    Landscapes,
    PhotoPlan,
    WorldPlan,
    read_rated,
    rendered,
    sides,
)
from engine.runtime.draws import Draws


@dataclass(frozen=True, slots=True)
class LandscapeSource:
    """Where landscapes come from: the world, or a folder of rated photos."""

    learn: WorldPlan
    check: WorldPlan
    photos: Path | None = None
    rated: PhotoPlan = field(default_factory=PhotoPlan)
    balanced: bool = True
    """Whether rare places of the plane come up more often, where they are rare at all."""
    label_noise: float = 0.0
    """Standard deviation of what is added to places."""
    flip: bool = True

    @property
    def scale(self) -> str:
        """The scale of ratings that a checkpoint tells of."""
        return "0..1" if self.photos is None else self.rated.scale


class Data(NamedTuple):
    """Landscapes to learn from and those held out, and how rows are drawn."""

    learn: Landscapes
    check: Landscapes
    balance: Balance | None


def gathered(source: LandscapeSource, progress: Progress) -> Data:
    """Render or read both sides; what was left out is told."""
    if source.photos is None:
        learn, check = (rendered(plan, progress) for plan in (source.learn, source.check))
        return Data(learn, check, None)
    photos = read_rated(source.photos, source.rated, source.learn.size, progress)
    for told in photos.counted:
        progress.remark(told)
    learn, check = sides(photos, source.rated.test)
    return Data(learn, check, Balance(learn.places) if source.balanced else None)


def landscape_batch(
    data: Data, source: LandscapeSource, draws: Draws, batch: int
) -> dict[str, Tensor]:
    """`real` pictures (b, 3, s, s) and their `places` (b, 2)."""
    if data.balance is None:
        rows = draws.shuffled(len(data.learn), batch=batch)
    else:
        rows = data.balance.rows(draws, "rows")
    mirrored = draws.uniform("mirrored") < 0.5 if source.flip else None
    places = data.learn.place(rows)
    if source.label_noise:
        places = (places + source.label_noise * draws.normal("label", 2)).clamp(0, 1)
    return {"real": data.learn.tensor(rows, mirrored), "places": places}
