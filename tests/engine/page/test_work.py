"""Long work of the page in a process of its own."""

import os
import threading
import time

import page_work
import pytest

from engine.core.errors import TmError
from engine.page.work import CancelledError, apart


def test_the_result_comes_back_with_progress_and_remarks():
    steps = []
    made = apart(page_work.count, {"to": 3}, lambda *step: steps.append(step), threading.Event())
    assert made == ({"sum": 3}, ["counted"])
    assert steps == [("Counting", done, 3) for done in range(4)]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("usage", "no such thing"),
        ("picture", "is empty"),
        ("die", "its process ended"),
    ],
)
def test_every_end_without_a_result_is_an_error_with_a_sentence(how, message):
    with pytest.raises(TmError, match=message):
        apart(page_work.fail, {"how": how}, lambda *_: None, threading.Event())


def test_work_that_is_cancelled_is_ended(tmp_path):
    note, cancelled = tmp_path / "process", threading.Event()

    def cancel():
        while not (note.exists() and note.read_text()):
            time.sleep(0.02)
        cancelled.set()

    threading.Thread(target=cancel).start()
    with pytest.raises(CancelledError):
        apart(page_work.last, {"note": note}, lambda *_: None, cancelled)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
