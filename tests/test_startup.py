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


@pytest.mark.parametrize("asked", ["'infer' in RECIPES", "RECIPES['infer']"])
def test_a_kind_of_recipe_brings_no_other(asked):
    code = f"from engine.config.base import RECIPES; import sys; {asked}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    recipes = {name for name in run.stdout.split() if name.endswith(".recipe")}
    assert "engine.inference.recipe" in recipes
    assert not {name for name in recipes if name.startswith("engine.trainings.")}


def test_an_unknown_kind_is_compared_with_all():
    code = (
        "from engine.config.base import RECIPES; assert 'inferr' not in RECIPES;"
        "assert len(list(RECIPES)) > 15; print(RECIPES.miss('inferr'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "did you mean `infer`?" in run.stdout
