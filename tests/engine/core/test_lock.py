import os
import subprocess
import sys
import time

import pytest

from engine.core.errors import UsageError
from engine.core.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from engine.core.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_the_error_names_the_process_that_holds_the_folder(tmp_path):
    first = holder(tmp_path)
    try:
        with pytest.raises(UsageError, match=f"in use by process {first.pid} "), locked(tmp_path):
            pass
    finally:
        first.kill()
        first.communicate()


def test_a_killed_holder_leaves_no_lock(tmp_path):
    first = holder(tmp_path)
    first.kill()
    first.communicate()
    for _ in range(50):  # the kernel drops the lock a moment after the process
        try:
            with locked(tmp_path):
                return
        except UsageError:
            time.sleep(0.1)
    pytest.fail("the lock outlived its process")


def test_a_lock_names_this_process_and_goes_when_it_ends(tmp_path):
    with locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock.json").read_text(encoding="utf-8")
    assert not (tmp_path / ".lock.json").exists()
