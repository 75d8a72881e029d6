"""The calibrations of a run: the shipped ones for the experts that are here, or a file."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.core.errors import UsageError
from engine.core.jsontext import from_json
from engine.core.regular import read_text
from engine.data.domains import Domain
from engine.experts.mixture import Calibration
from engine.relabel.inference import Ensemble

NANO, PHOTO, SHIPPED = "nano", "photo", "shipped"
"""The shipped calibrations: of the nano experts on drawn portraits, of the small experts on
photographs, and both."""
NANO_FILE, PHOTO_FILE = "nano-relabel.json", "photo-relabel.json"
FILES: dict[str, tuple[str, ...]] = {
    NANO: (NANO_FILE,),
    PHOTO: (PHOTO_FILE,),
    SHIPPED: (NANO_FILE, PHOTO_FILE),
}


def read_calibrations(name: str, ensemble: Ensemble) -> dict[Domain, Calibration]:
    """The shipped calibrations that fit the experts here, or that of a file, by domain.

    UsageError for a file fitted for other weights or without some of the experts of its domain.
    """
    if name in FILES:
        known = [one for file in FILES[name] for one in _shipped(file)]
        fitting = [one for one in known if _knows_experts_of(one, ensemble)]
        # Of several sets that hold the experts here the smallest is theirs, so it comes last.
        fitting.sort(key=lambda one: -len(one.experts))
        return {one.domain: one for one in fitting}
    path = Path(name).expanduser()
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the calibration `{path}` cannot be read: {reason}") from None
    (calibration,) = _parsed(text, f"`{path}`", several=False)
    if (fault := _fault(calibration, ensemble)) is not None:
        raise UsageError(f"the calibration `{path}` {fault}", hint="fit it anew with `--truth`")
    return {calibration.domain: calibration}


def _shipped(file: str) -> list[Calibration]:
    text = files("engine.shipped").joinpath(file).read_text(encoding="utf-8")
    return _parsed(text, f"the shipped `{file}`", several=True)


def _parsed(text: str, what: str, *, several: bool) -> list[Calibration]:
    """One `calibration`, or `calibrations` for several sets of experts where allowed."""
    try:
        content: dict[str, Any] = from_json(text)
        many = several and "calibrations" in content
        parts = content["calibrations"] if many else [content["calibration"]]
        return [Calibration.model_validate(part) for part in parts]
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{what} is no calibration of `tm relabel`") from None


def _knows_experts_of(calibration: Calibration, ensemble: Ensemble) -> bool:
    """Whether experts of its domain are here, and it was fitted with all of them."""
    here = ensemble.of_domain(calibration.domain)
    return bool(here) and _fault(calibration, ensemble) is None


def _fault(calibration: Calibration, ensemble: Ensemble) -> str | None:
    experts = ensemble.of_domain(calibration.domain)
    absent = [name for name in experts if name not in calibration.experts]
    if absent:
        return f"lacks {', '.join(absent)}"
    digests = ensemble.digests
    changed = [name for name in experts if calibration.experts[name].digest != digests[name]]
    return f"is for other weights of {', '.join(changed)}" if changed else None
