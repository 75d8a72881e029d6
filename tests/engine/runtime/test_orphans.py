"""Processes end with the one that started them, even if it went before they looked."""

import os
import subprocess
import sys

from engine.training.launcher import STARTED_BY

WATCHED = """
import sys, time
from engine.runtime.orphans import die_with_parent
die_with_parent({parent})
print("watching", flush=True)
time.sleep(60)
"""
STARTER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), end="", flush=True)
"""
MEETING = """
import os
from engine.training.processes import Processes
os.environ |= {"LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1",
               "WORLD_SIZE": "2", "NODE_RANK": "0"}
Processes("cpu", 2).launch()
"""


def python(code, **more):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **more},
    )


def test_a_process_ends_when_its_starter_ends():
    starter = python(STARTER.format(child=WATCHED.format(parent="")))
    output, _ = starter.communicate(timeout=50)  # the child holds a pipe until it has ended
    assert output == "watching\n"


def test_a_process_whose_starter_is_gone_already_ends_at_once():
    gone = python("")
    gone.communicate()
    late = python(WATCHED.format(parent=gone.pid))
    late.communicate(timeout=50)
    assert late.returncode == 1


def test_who_is_to_meet_a_training_that_was_killed_does_not_wait_for_it():
    gone = python("")
    gone.communicate()
    late = python(MEETING, **{STARTED_BY: str(gone.pid)})
    late.communicate(timeout=120)
    assert late.returncode == 1
