"""Random streams that a checkpoint can carry: one for each purpose, none shared."""

import zlib
from collections.abc import Mapping
from typing import Any

import torch


class Streams:
    """Named generators of one seed: drawing from one never moves another.

    A stream belongs to its name, so a stream added later leaves the others as they were.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        if name not in self._streams:
            mixed = zlib.crc32(name.encode("utf-8")) ^ (self.seed * 0x9E3779B97F4A7C15)
            self._streams[name] = torch.Generator().manual_seed(mixed % (1 << 63))
        return self._streams[name]

    def state_dict(self) -> dict[str, Any]:
        """Where every stream that was drawn from stands."""
        states = {name: stream.get_state() for name, stream in self._streams.items()}
        return {"seed": self.seed, "states": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the saved streams stood; ValueError for streams of another seed."""
        if state["seed"] != self.seed:
            raise ValueError(f"the streams are of seed {state['seed']}, not {self.seed}")
        for name, held in state["states"].items():
            self[name].set_state(held.clone())
