"""`labels.json`, as `tm relabel` writes it and trainings read it: a `Label` for each picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from engine.core.errors import UsageError
from engine.core.jsontext import from_json
from engine.core.regular import read_text
from engine.core.table import Table


class ExpertOutput(Table):
    """The prediction of one expert for one picture."""

    age: float | None
    """Years; null where the expert predicts nothing (`status` is `silent`)."""
    std: float | None = None
    conf: float | None = None
    weight: float
    """Weight in the mixture, 0..1."""
    status: Literal["ok", "abstained", "silent"]


class Label(Table):
    """The age of one picture by the mixture of experts; keys that do not apply are left out."""

    source: str | None = None
    """Path of the picture; its id stands for it where null."""
    age: float | None
    """Years; null where the picture has no age (`why_null`)."""
    age_std: float | None
    """Standard deviation in years."""
    why_null: str | None = None
    var_between: float | None = None
    var_within: float | None = None
    """Variance between the experts and within them, in years^2."""
    range: float | None = None
    """Years between the youngest and the oldest prediction."""
    age_group: int | None = None
    """Class of FFHQ-Aging, 0..9."""
    label: float | None = None
    """The existing label that was audited, in years."""
    label_off_by: float | None = None
    """Standard deviations between it and the age."""
    original_group: int | None = None
    original_group_conf: float | None = None
    gender: str | None = None
    """From FFHQ-Aging's table, where that was audited."""
    n_experts: int | None = None
    confidence: float | None = None
    """Probability that the age is off by at most five years."""
    reliability: float
    """0..1."""
    flags: tuple[str, ...] = ()
    keep: bool
    experts: Mapping[str, ExpertOutput] = {}

    def dump(self) -> dict[str, Any]:
        """The label as JSON: the keys that were set, null or not."""
        return self.model_dump(mode="json", exclude_unset=True)


_LABELS = TypeAdapter(dict[str, Label])


def read_labels(path: Path) -> dict[str, Label]:
    """The labels of a `labels.json` by id; UsageError for a file that is none."""
    try:
        content: dict[str, Any] = from_json(read_text(path))
        return _LABELS.validate_python(content["labels"])
    except ValidationError as error:
        fault = error.errors()[0]
        reason: object = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error
    raise UsageError(
        f"`{path}` cannot be read as labels: {reason}", hint="`tm relabel` writes such a file"
    )
