import os
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from engine.core.errors import UsageError
from engine.core.lock import _require_ours, locked

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


@pytest.mark.parametrize(
    ("name", "content", "ours"),
    [
        (".lock", "", True),
        (".lock", "4711\nhost\n", True),
        (".lock", "4711\n", False),
        (".lock", "a list of my own\nof two lines\n", False),
        (".lock.json", '{"pid": 1, "command": "tm", "since": "today"}', True),
        (".lock.json", "{}", False),
        (".tm-files", "", True),
        (".tm-files", '["a.png", ".a.png.0123.partial"]\n', True),
        (".tm-files", '["a.pn', True),
        (".tm-files", "my own list\n", False),
    ],
)
def test_only_tms_own_files_are_taken_for_those_of_a_lock(tmp_path, name, content, ours):
    (tmp_path / name).write_text(content)
    with nullcontext() if ours else pytest.raises(UsageError, match="was not made by tm"):
        _require_ours(*(tmp_path / one for one in (".lock", ".lock.json", ".tm-files")))
    assert (tmp_path / name).read_text() == content
