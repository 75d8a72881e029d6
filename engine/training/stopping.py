"""Ctrl-C, SIGTERM and SIGHUP: the step is finished and saved before the run ends."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@dataclass(slots=True)
class StopRequest:
    """Whether the run is asked to end."""

    made: bool = False


@contextmanager
def stop_requests() -> Generator[StopRequest]:
    """Catch Ctrl-C, SIGTERM and SIGHUP inside; a second one ends the process as usual."""
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

    for name in SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP, and `nohup` ignores it
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
            before[number] = signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
