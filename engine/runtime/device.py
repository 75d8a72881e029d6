"""The device and the number format that networks run in."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from engine.core.errors import UsageError

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Compute:
    """A device and the number format that networks run in there."""

    device: "torch.device"
    dtype: "torch.dtype"
    name: str
    caveat: str = ""

    def precision(self) -> "torch.autocast":
        """A context in which networks run in `dtype`."""
        import torch

        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        text = f"device {self.name}, {dtype}, pure-torch operators"
        return f"{text}; {self.caveat}" if self.caveat else text


def require_cpu(device: Device, work: str) -> None:
    """Refuse a device for work that runs on the processor only."""
    if device not in ("auto", "cpu"):
        raise UsageError(
            f"{work} runs on the processor, not on `{device}`", hint="leave the device at `auto`"
        )


def choose(device: Device = "auto", precision: Precision = "auto") -> Compute:
    """The best device there is, or the requested one; UsageError if it is not available.

    `auto` is cuda, then mps, then cpu, and float32: the published weights were trained in it.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = device
    caveat = ""
    if name == "auto":
        name = next((kind for kind, available in there.items() if available), "cpu")
        if name == "mps" and (fault := _fault_of_apple_gpu()) is not None:
            name, caveat = "cpu", f"the Apple GPU is left alone: it {fault}"
    elif not there.get(name, True):
        raise UsageError(f"there is no `{name}` device here", hint="try `auto`, or see `tm doctor`")
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    match name:
        case "cuda":
            description = f"cuda ({torch.cuda.get_device_name()})"
            return Compute(torch.device("cuda"), dtype, description)
        case "mps":
            if (fault := _fault_of_apple_gpu()) is not None:
                raise UsageError(
                    f"the Apple GPU {fault}",
                    hint="leave the device at `auto`, which then takes the processor",
                )
            caveat = "an Apple GPU, whose operators agree with the processor's"
            return Compute(torch.device("mps"), dtype, "mps", caveat)
        case _:
            description = f"cpu ({torch.get_num_threads()} threads)"
            return Compute(torch.device("cpu"), dtype, description, caveat)


@cache
def _fault_of_apple_gpu() -> str | None:
    import torch

    from engine.runtime.self_test import disagreement

    return disagreement(torch.device("mps"))
