import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from engine.runtime.pool import cores, in_processes, in_threads, siblings

# Work has to be importable by a fresh process, and tests are not: it comes from the library.


def test_one_worker_means_this_process():
    assert [o.result for o in in_processes(lambda _: os.getpid(), range(3), workers=1)] == [
        os.getpid()
    ] * 3


def test_every_item_comes_back_once():
    outcomes = list(in_processes(abs, range(-50, 50), workers=2))
    assert sorted(o.item for o in outcomes) == list(range(-50, 50))
    assert all(o.result == abs(o.item) for o in outcomes)


def test_an_exception_of_the_work_is_raised_here():
    with pytest.raises(TypeError, match="bad operand"):
        list(in_processes(abs, [1, "x"], workers=2))


def test_threads_answer_in_order_and_take_only_so_many_items_ahead():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    def slow_at_first(number):
        time.sleep(0.05 if number == 0 else 0)
        return number

    found = in_threads(slow_at_first, items(), threads=2, ahead=3)
    assert next(found) == 0
    assert taken == [0, 1, 2, 3]
    assert list(found) == list(range(1, 20))


def test_an_exception_in_a_thread_is_raised_here_after_what_came_before_it():
    found = in_threads(abs, [-1, "x", -3], threads=2, ahead=2)
    assert next(found) == 1
    with pytest.raises(TypeError, match="bad operand"):
        next(found)


def test_a_process_that_dies_costs_only_its_own_item():
    # exit status 7 kills the worker; os._exit(None) would be a TypeError, so ints only
    outcomes = {o.item: o.result for o in in_processes(_exit_on_seven, range(12), workers=2)}
    assert outcomes == {n: (None if n == 7 else n) for n in range(12)}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_takes_too_long_is_ended_and_costs_only_its_own_item(workers):
    found = in_processes(_sleep_on_seven, range(12), workers=workers, limit=5.0)
    outcomes = {one.item: one.result for one in found}
    assert outcomes == {n: (None if n == 7 else n) for n in range(12)}


def test_workers_know_how_many_share_the_memory():
    asked = ["__import__('engine.runtime.pool', fromlist=['x']).siblings()"] * 2
    assert [one.result for one in in_processes(eval, asked, workers=2)] == [2, 2]
    assert siblings() == 1


def test_an_interrupt_ends_the_workers_at_once(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(
        textwrap.dedent(
            """
            import time
            from engine.runtime.pool import in_processes
            if __name__ == "__main__":
                print("ready", flush=True)
                for _ in in_processes(time.sleep, [0.01, 600, 600], workers=2):
                    print("one", flush=True)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert process.stdout.readline() == "one\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors


def test_a_worker_has_one_thread_even_where_the_caller_brings_torch_with_it(tmp_path):
    script = tmp_path / "main.py"
    script.write_text(
        "import torch\n"
        "from engine.runtime.pool import in_processes\n"
        "if __name__ == '__main__':\n"
        "    torch.set_num_threads(3)\n"
        "    asked = ['__import__(\"torch\").get_num_threads()'] * 2\n"
        "    print([done.result for done in in_processes(eval, asked, workers=2)])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.fspath(Path(__file__).parents[3])}
    environment["OMP_NUM_THREADS"] = "3"
    command = [sys.executable, os.fspath(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[1, 1]\n"


def test_there_is_at_least_one_core():
    assert cores() >= 1


class _ExitOnSeven:
    """Picklable by what it stands for: the built-in that ends a process."""

    def __call__(self, number):
        raise NotImplementedError

    def __reduce__(self):
        code = "lambda n: __import__('os')._exit(1) if n == 7 else n"
        return (eval, (code,))


class _SleepOnSeven(_ExitOnSeven):
    def __call__(self, number):
        return time.sleep(600) if number == 7 else number

    def __reduce__(self):
        return (eval, ("lambda n: __import__('time').sleep(600) if n == 7 else n",))


_exit_on_seven, _sleep_on_seven = _ExitOnSeven(), _SleepOnSeven()


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from engine.runtime.pool import in_processes\n"
        "def work(item):\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(in_processes(work, range(2), workers=2))\n"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.fspath(root)}
    command = [sys.executable, os.fspath(script)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.stdout.close()
    parent.wait()
    deadline = time.monotonic() + 60
    while any(_lives(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
