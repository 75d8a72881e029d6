"""`tm --help` answers at once: it loads nothing that computes."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "faiss", "cv2", "dlib", "numpy", "PIL", "toml"}
# Not pydantic: Typer itself reads a subcommand's parameters through it.


@pytest.mark.parametrize("argv", [["--help"], ["prep", "--help"], ["prep", "align", "--help"]])
def test_help_needs_no_heavy_import(argv):
    code = (
        "import sys; sys.argv = ['tm', *sys.argv[1:]]\n"
        "from tm.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True
    )
    assert "Usage: tm" in done.stdout
    assert not HEAVY & set(done.stdout.split())


def test_ageing_a_portrait_loads_no_network_that_has_no_weights_here():
    code = "import sys, engine.inference.folder as _; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"timm", "torchvision"} & set(run.stdout.split())
