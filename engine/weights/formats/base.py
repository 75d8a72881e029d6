"""What a format of published weights is: how a file is recognised and split into networks."""

from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from engine.core.errors import WeightsError
from engine.core.registry import Registry
from engine.weights.checkpoint import Checkpoint

Content = Mapping[str, Any]
"""What `torch.load` or safetensors gave for a file."""

WRAPPERS = ("state_dict_ema", "state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts keep the state dict, best first."""


class Format(ABC):
    """One published layout; it is registered under the `kind` of the checkpoints it reads.

    `detect` looks at keys alone and is true for no file of another format. The networks themselves
    stand in `engine.nets`, which builds them from the parts; every tensor is checked there.
    """

    label: ClassVar[str]
    """What people call it."""
    slow: ClassVar[bool] = False
    """Whether `detect` has to import a large library; such formats are tried last."""

    @staticmethod
    @abstractmethod
    def detect(content: Content) -> bool:
        """Whether a file with this content is of the format."""

    @staticmethod
    @abstractmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        """Split and rename the content into parts, with the facts that no tensor holds.

        ema: take averaged weights where the file has both. WeightsError if something is missing.
        """


FORMATS = Registry[Format]("format", package="engine.weights.formats")


def has(keys: Iterable[str], *prefixes: str) -> bool:
    """Whether every prefix begins some key."""
    keys = list(keys)
    return all(any(key.startswith(prefix) for key in keys) for prefix in prefixes)


def state_dict(value: Any, name: str) -> dict[str, Tensor]:
    """`value` as a state dict; WeightsError names values that are no tensors."""
    if not isinstance(value, Mapping):
        raise WeightsError(f"`{name}` is {type(value).__name__}, not a state dict")
    odd = [str(key) for key, tensor in value.items() if not isinstance(tensor, Tensor)]
    if odd:
        raise WeightsError(f"`{name}` holds values that are no tensors: {', '.join(odd[:4])}")
    return {str(key): tensor for key, tensor in value.items()}


def unwrapped(content: Content) -> dict[str, Tensor]:
    """The tensors of the state dict in `content`, without `module.` of data-parallel training."""
    inner: Any = next((content[key] for key in WRAPPERS if key in content), content)
    items = inner.items() if isinstance(inner, Mapping) else ()
    return {
        str(key).removeprefix("module."): value for key, value in items if isinstance(value, Tensor)
    }


def step_of(content: Content) -> int | None:
    """The optimizer step that a trainer stored, if any."""
    step = content.get("global_step", content.get("step"))
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def plain_options(options: Any) -> dict[str, Any]:
    """The training options that are plain values, from a dict or a Namespace."""
    table = vars(options) if isinstance(options, Namespace) else options
    if not isinstance(table, Mapping):
        return {}
    plain = (str, int, float, bool, type(None))
    return {str(key): value for key, value in table.items() if isinstance(value, plain)}
