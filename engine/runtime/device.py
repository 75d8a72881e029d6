"""Which device the work runs on; asking for one that cannot serve is an error."""

from typing import Literal

from engine.core.errors import UsageError

Device = Literal["auto", "cpu", "cuda", "mps"]


def require_cpu(device: Device, work: str) -> None:
    """Refuse a device for work that runs on the processor only."""
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"{work} runs on the processor, not on `{device}`", hint="leave the device at `auto`"
        )
