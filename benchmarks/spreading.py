"""Ray against the process pool on faces, and torchrun's agents against `--devices 2`.

`python benchmarks/spreading.py [ray|torchrun] [--faces 2000] [--steps 60] [--rounds 3]`; both and
fewer by default. The same faces are aligned by two processes of the pool and by two workers of a
Ray cluster that this script starts on this machine, in turns; start-up is the time to the first
face and is told apart. The same steps of `nano/identity` are trained by `--devices 2` and by two
agents of `python -m torch.distributed.run` of one process each. Printed are medians and their
ratio. Both need a machine without other work.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from engine.app.prep import AlignRequest, SynthRequest, align, synth
from engine.core.progress import Silence
from engine.runtime.cluster import on_cluster
from engine.training.journal import read_journal

TRAINING = (
    *("batch=32", "validate_every=1000000", "save_every=1000000", "log_every=5", "threads=1"),
    *("data.train.people=64", "data.validation.people=8", "data.validation.scenes=4"),
)
WARM_UP = 10


class Watch(Silence):
    """Notes when the first and the last face were done, and what they had cost."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0
        self.ends: list[tuple[float, float]] = []

    def begin(self, task: str, total: int) -> None:
        self.total = total

    def advance(self, note: str = "") -> None:
        self.done += 1
        if self.done in (1, self.total):
            self.ends.append((time.perf_counter(), spent()))


def spent() -> float:
    """Processor seconds of this process and all below it, those that have ended included."""
    mine = psutil.Process()
    seconds = 0.0
    for process in (mine, *mine.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def aligned(photos: Path, out: Path, address: str | None) -> tuple[float, float, float]:
    """Seconds to the first face, and seconds and processor seconds of each one after it."""
    watch, started = Watch(), time.perf_counter()
    with on_cluster(address):
        align(AlignRequest(source=photos, out=out, size=128, workers=2), watch)
    (first, cpu_first), (last, cpu_last) = watch.ends
    later = watch.total - 1
    return first - started, (last - first) / later, (cpu_last - cpu_first) / later


def compare_ray(faces: int, rounds: int) -> None:
    from ray.cluster_utils import Cluster

    # At Ray's niceness of 15 its workers would give way to whatever else runs.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    node = {"num_cpus": 2, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        people = SynthRequest(
            out=photos, people=faces // 10, per_person=10, seed=450_000, size=256, unaligned=1.0
        )
        synth(people)
        rows: dict[str, list[tuple[float, float, float]]] = {"pool": [], "ray": []}
        for number in range(rounds):
            for name, address in (("pool", None), ("ray", cluster.address)):
                out = Path(folder) / f"{name}-{number}"
                rows[name].append(aligned(photos, out, address))
    cluster.shutdown()
    report({name: [1000 * each for _, each, _ in own] for name, own in rows.items()}, "ms a face")
    for name, own in rows.items():
        first = statistics.median(one for one, _, _ in own)
        cpu = 1000 * statistics.median(each for _, _, each in own)
        print(f"  {name}: first face after {first:.1f} s, {cpu:.1f} processor ms a face")


def trained(out: Path, steps: int, agents: bool) -> float:
    """Milliseconds of a step."""
    settings = [word for one in (*TRAINING, f"steps={steps}") for word in ("--set", one)]
    words = ["-m", "tm", "train", "--recipe", "nano/identity", "--out", os.fspath(out), *settings]
    lines = [[sys.executable, *words, "--devices", "2"]]
    if agents:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        meeting = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
        run = [sys.executable, "-m", "torch.distributed.run", *meeting, "--master-port", port]
        lines = [[*run, "--node-rank", str(number), *words] for number in range(2)]
    running = [subprocess.Popen(line, stderr=subprocess.DEVNULL) for line in lines]
    if any(process.wait() for process in running):
        raise SystemExit("a training failed: run its line by hand")
    rows = [row for row in read_journal(out / "metrics.jsonl") if row["step"] > WARM_UP]
    return 1000 * 32 / statistics.median(row["images_per_second"] for row in rows)


def compare_torchrun(steps: int, rounds: int) -> None:
    rows: dict[str, list[float]] = {"--devices 2": [], "torchrun": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name in rows:
                out = Path(folder) / f"{name.strip('-')}-{number}".replace(" ", "-")
                rows[name].append(trained(out, steps, agents=name == "torchrun"))
    report(rows, "ms a step")


def report(rows: dict[str, list[float]], unit: str) -> None:
    medians = {name: statistics.median(own) for name, own in rows.items()}
    base, other = medians
    ratio = medians[other] / medians[base]
    shown = ", ".join(f"{name} {value:.1f}" for name, value in medians.items())
    print(f"{unit}: {shown}; {other} takes {ratio:.2f} times {base}")
    print(f"  {json.dumps({name: [round(one, 2) for one in own] for name, own in rows.items()})}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("ray", "torchrun"))
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    if args.what in (None, "ray"):
        compare_ray(args.faces, args.rounds)
    if args.what in (None, "torchrun"):
        compare_torchrun(args.steps, args.rounds)


if __name__ == "__main__":
    main()
