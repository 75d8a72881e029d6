"""Processes that must not outlive the one that started them."""

import os
import threading
import time

CHECK = 0.5
"""Seconds between two looks at whether the parent still lives."""


def die_with_parent(parent: int | None = None) -> None:
    """End this process when the one that started it is gone, however that came.

    parent: its process id, where it has told: it may have gone before this is called.
    """
    if parent is None:
        parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
