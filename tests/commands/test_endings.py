"""How runs end: signals, empty arguments, mistakes of ours, failures as JSON."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands._crash import unexpected


@pytest.mark.parametrize(
    "argv",
    [
        ("prep", "align", "", "out"),
        ("prep", "align", "in", ""),
        ("infer", "a.png", "--ages", "30", "--out", ""),
        ("infer", "a.png", "--ages", "30", "--out="),
        ("relabel", "in", "--out=l.json", "--labels="),
    ],
)
def test_an_empty_argument_is_not_the_current_folder(tm, tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    result = tm(*argv)
    assert (result.code, os.listdir(tmp_path)) == (2, [])
    assert "is empty" in result.err


@pytest.mark.parametrize(("loaded", "said"), [("", []), ("triton", ["collected"])])
def test_a_process_does_not_look_for_cycles_once_more_at_its_end(loaded, said):
    """An object in a cycle would be told of its end: with 1 GiB of torch that takes long. Triton
    reports what is not told.
    """
    program = (
        "import atexit, sys\n"
        f"sys.modules['{loaded or 'none'}'] = sys\n"
        "class Cycle:\n"
        "    def __del__(self): print('collected')\n"
        "one = Cycle(); one.self = one\n"
        "sys.argv = ['tm', '--version']\n"
        "atexit.register(print, 'other handlers run')\n"
        "from tm.cli import program\n"
        "program()\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split("\n")[1:] == ["other handlers run", *said, ""]


def test_a_failure_is_an_object_with_json(tm, tmp_path):
    result = tm("prep", "align", tmp_path / "nowhere", tmp_path / "out", "--json")
    assert result.code == result.json["code"] == 2
    assert set(result.json) == {"error", "hint", "code"}
    assert result.json["error"] in result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("infer", "--json"), "`tm infer` needs PHOTO|DIR"),
        (("infer", "a.png", "--out", "o", "--no-such", "--json"), "No such option"),
        (("infer", "a.png", "--out", "o", "--strength", "x", "--json"), "--strength"),
        (("prep", "align", "a", "--json"), "`tm prep align` needs SRC and OUT"),
        (("no-such-command", "--json"), "No such command"),
    ],
)
def test_a_faulty_command_line_is_an_object_with_json(tm, argv, said):
    result = tm(*argv)
    assert result.code == result.json["code"] == 2
    assert said in result.json["error"]
    assert result.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("division by\nzero"), 1, "ZeroDivisionError: division by zero"),
        (OSError(24, "Too many open files"), 1, "too many files are open"),
        (OSError(28, "No space left on device"), 1, "no space is left"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 GB"), 5, "out of memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), 5, "out of memory"),
    ],
)
def test_what_nobody_foresaw_is_one_sentence(tm, monkeypatch, error, code, words):
    def fail(*args):
        raise error

    monkeypatch.setattr("tm.cli.build", lambda: fail)
    result = tm("doctor")
    assert (result.code, words in result.err) == (code, True)
    assert "Traceback" not in result.err
    if code == 1 and "is in `" in result.err:
        kept = Path(result.err.partition("is in `")[2].partition("`")[0].replace("\n", ""))
        assert "division by\nzero" in kept.read_text()
        kept.unlink()


def test_the_traceback_is_for_its_user_alone():
    kept = Path(str(unexpected(ValueError("x")).hint).partition("is in `")[2].rstrip("`"))
    assert kept.stat().st_mode & 0o077 == 0
    kept.unlink()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_batch_and_the_next_run_goes_on(tmp_path, name):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tm", "prep", "synth", out, "--people", "3", "--per-person",
               "20", "--ages", "20..60", "--size", "256", "--workers", "1"]  # fmt: skip
    number = getattr(signal, name)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # `nohup` and `&` ignore some
    )  # fmt: skip
    journal = out / ".manifest.jsonl.journal"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 9):
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; what is finished is kept" in err
    assert "Traceback" not in err
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert 0 < len(rows) < 60
    assert {row["output"] for row in rows} <= {
        p.relative_to(out).as_posix() for p in out.rglob("*.png")
    }
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["kept"] == len(rows)
    assert not list(out.rglob("*.partial"))


def test_an_interrupt_inside_a_text_of_code_ends_by_our_exit_code(tmp_path):
    """Python would end `python -m` by SIGINT (-2) after one, though it was caught."""
    text = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); [1 for _ in range(10**6)]"
    module = f"import sys, tm.cli\nsys.argv[1:] = ['doctor']\n\ndef build():\n    exec({text!r})\n"
    (tmp_path / "broken_off.py").write_text(f"{module}\ntm.cli.build = build\ntm.cli.main()\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    ended = subprocess.run(
        [sys.executable, "-m", "broken_off"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, "error: interrupted" in ended.stderr) == (130, True)


@pytest.mark.parametrize(
    ("number", "argument", "code"),
    [
        (signal.SIGTERM, "--version", 0),
        (signal.SIGHUP, "--version", 0),
        (signal.SIGINT, "--no-such", 2),
    ],
)
def test_a_signal_after_the_work_changes_no_exit_code(number, argument, code):
    text = (
        "import os, sys, tm.cli\n"
        f"sys.argv = ['tm', {argument!r}]\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, process=os.getpid()):\n"
        f"        kill(process, {int(number)})\n"
        "late = Late()  # goes when the modules go\n"
        "tm.cli.program()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert ended.returncode == code
    assert ended.stdout + ended.stderr


def test_a_bank_that_is_being_built_is_locked(tm, tmp_path):
    from engine.core.lock import locked

    with locked(tmp_path, name="b.safetensors"):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "30_1.png").write_bytes(b"")
        result = tm("bank", "build", tmp_path / "in", tmp_path / "b.safetensors")
        assert result.code == 2
        assert f"b.safetensors` is in use by process {os.getpid()}" in result.err.replace("\n", "")


def test_more_processes_than_cores_can_share_are_refused(tm, tmp_path):
    result = tm("train", "--recipe", "nano/identity", "--devices", "1000000", "--device", "cpu",
                "--out", tmp_path / "run")  # fmt: skip
    assert (result.code, (tmp_path / "run").exists()) == (2, False)
    assert "too few" in result.err
    for argv in (("prep", "align", "a", "b"), ("enhance", "a", "b"), ("eval", "a", "--dry-run")):
        result = tm(*argv, "--workers", 1_000_000)
        assert (result.code, "too few for 1000000 processes" in result.err) == (2, True)
