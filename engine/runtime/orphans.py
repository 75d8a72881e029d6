"""End worker processes when their parent ends."""

import os
import threading
import time

CHECK = 0.5
"""Seconds between two checks of the parent."""


def die_with_parent(parent: int | None = None) -> None:
    """End this process when the one that started it is gone, however that came.

    parent: its process id, where the caller has it: it may be gone before this runs.
    """
    if parent is None:
        parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
