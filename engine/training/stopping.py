"""Ctrl-C and SIGTERM: the step is finished and saved before the run ends."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass(slots=True)
class StopRequest:
    """Whether the run is asked to end."""

    made: bool = False


@contextmanager
def stop_requests() -> Generator[StopRequest]:
    """Catch Ctrl-C and SIGTERM inside; a second one ends the process as usual."""
    request = StopRequest()
    # Handlers can be set in the main thread alone, which alone receives signals.
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        request.made = True
        for caught, handler in before.items():
            signal.signal(caught, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
