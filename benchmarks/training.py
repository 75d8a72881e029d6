"""Speed of trainings: pictures per second, share of time waiting for data, cost of a checkpoint.

`python benchmarks/training.py [RECIPE ...] [--steps 40] [--set KEY=VALUE] [--precision ...]`
trains each recipe for a few steps in a temporary folder, after the data has been rendered, in
float32 and bfloat16 in turns (`--rounds`), and prints medians. On a GPU `--device cuda` does the
same there.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.config.load import load_recipe_as
from engine.core.progress import Silence
from engine.training.callbacks import SilentCallback
from engine.training.checkpoint import Checkpoints, Snapshot
from engine.training.journal import read_journal
from engine.training.launch import build_task
from engine.training.loop import train
from engine.training.processes import Processes
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import locked_run

RECIPES = ("nano/identity", "nano/generator")
WARM_UP = 10
MEBIBYTE = 1 << 20


def measured(
    name: str, settings: Sequence[str], precision: str, device: str, steps: int
) -> tuple[float, float, float | None]:
    """Median speed and waiting of the steps after the first few."""
    quiet = ["save_every=1000000", "validate_every=1000000", "sample_every=1000000"]
    overrides = [*settings, *quiet, "log_every=5", f"precision='{precision}'", f"device='{device}'"]
    recipe = load_recipe_as(TrainingRecipe, name, overrides)
    processes = Processes(recipe.device, 1, recipe.precision)
    processes.launch(recipe.threads)
    task = build_task(recipe)
    with tempfile.TemporaryDirectory() as folder, locked_run(Path(folder), by_first=True) as run:
        train(task, recipe, run, processes, SilentCallback(), until=WARM_UP + steps)
        rows = read_journal(Path(folder) / "metrics.jsonl")
    kept = [row for row in rows if row["step"] > WARM_UP]
    speed = statistics.median(row["images_per_second"] for row in kept)
    return speed, statistics.median(row["waiting"] for row in kept), kept[-1].get("memory_mib")


def checkpoint_cost(name: str, settings: Sequence[str]) -> tuple[float, int]:
    """Seconds and bytes of saving networks and one Adam's state."""
    task = build_task(load_recipe_as(TrainingRecipe, name, settings))
    nets = {part: net.state_dict() for part, net in task.parts.items()}
    state = {f"{part}.{kind}": dict(net) for part, net in nets.items() for kind in ("m", "v")}
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for step in range(5):
            started = time.perf_counter()
            path = Checkpoints(Path(folder)).save(Snapshot(step, nets, state))
            seconds.append(time.perf_counter() - started)
        size = sum(file.stat().st_size for file in path.iterdir())
    return statistics.median(seconds), size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, device {args.device}")
    for name in args.recipes:
        task = build_task(load_recipe_as(TrainingRecipe, name, args.settings))
        started = time.perf_counter()
        task.prepare(Silence())
        print(f"{name}: data ready after {time.perf_counter() - started:.1f} s")
        results = {"float32": [], "bfloat16": []}
        for _ in range(args.rounds):
            for precision, rows in results.items():
                rows.append(measured(name, args.settings, precision, args.device, args.steps))
        for precision, rows in results.items():
            speed, waiting = (statistics.median(row[i] for row in rows) for i in (0, 1))
            memory = f", {rows[-1][2]:.0f} MiB" if rows[-1][2] is not None else ""
            print(f"  {precision}: {speed:.1f} pictures/s, waiting {waiting:.1%}{memory}")
        seconds, size = checkpoint_cost(name, args.settings)
        print(f"  checkpoint: {seconds * 1000:.0f} ms, {size / MEBIBYTE:.1f} MiB")


if __name__ == "__main__":
    main()
