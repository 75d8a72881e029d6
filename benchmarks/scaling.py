"""Costs as the work grows: tables of many rows, and the miner on a large bank.

`python benchmarks/scaling.py [tables|miner] [--rows 10000,100000] [--faces 1000000]`; both and
smaller by default (100,000 rows take 4 GB, a million faces 6 GB). Every step of the tables runs in
a process of its own; printed are its processor seconds, their ratio to the size before, and its
peak memory. The pictures are files of a few bytes that an earlier run has measured: what is left is
the work on tables. The miner is timed on embeddings of people with 20 photographs each; its recall
is the share of the most similar faces that the search in cells finds, against all of them.
"""

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from engine.app.relabel import RelabelRequest, plan_relabel
from engine.banks.bank import Bank, sorted_bank
from engine.banks.files import read_bank, save_bank
from engine.banks.search import nearest
from engine.core.jsontext import to_json
from engine.core.progress import Silence
from engine.data.manifest import MANIFEST
from engine.faces.quality import Scores
from engine.miners.age_index import AgeIndex
from engine.miners.age_rows import AgeRows
from engine.miners.semi_hard import SemiHard
from engine.prep.filter import FilterPlan, Similarity, filter_folder
from engine.prep.split import split_folder
from engine.relabel.run import PREDICTIONS, files_folder, run_plan
from engine.runtime.draws import Draws

MEBIBYTE = 1 << 20
SCORES = asdict(Scores(300.0, 5000.0, 120.0, 50.0, 0.0, 0.0, False, False, 0.0, 0.0, 300.0))
STEPS = ("split", "filter", "relabel", "bank info", "bank search")
WIDTH, EACH, TOGETHER = 512, 20, 0.75
"""Numbers of an embedding, photographs of a person, and the cosine of two of them, about."""
BATCH, ROUNDS, DENSE = 8, 20, 3


def material(folder: Path, rows: int) -> None:
    """A folder of `rows` tiny pictures, measured already, with tables about them."""
    draw = np.random.default_rng(0)
    pictures = folder / "faces"
    pictures.mkdir(parents=True)
    with (
        open(pictures / MANIFEST, "w", encoding="utf-8") as manifest,
        open(folder / "predictions.jsonl", "w", encoding="utf-8") as predictions,
        open(pictures / "labels.csv", "w", encoding="utf-8") as labels,
    ):
        labels.write("path,age\n")
        for number in range(rows):
            name, content = f"{number:07d}", f"picture {number}".encode()
            (pictures / f"{name}.png").write_bytes(content)
            digest, age = hashlib.sha256(content).hexdigest(), float(draw.integers(5, 90))
            descriptor = draw.normal(size=128)
            descriptor *= 0.6 / np.linalg.norm(descriptor)
            row = {
                "source": f"../photos/{name}.png",
                "output": f"{name}.png",
                "sha256": digest,
                "scored": digest,
                "age": age,
                "landmarks": draw.integers(40, 200, (68, 2)).tolist(),
                "dhash": f"{int(draw.integers(0, 2**63)):016x}",
                "descriptor": [round(float(one), 4) for one in descriptor],
                "scores": SCORES,
            }
            manifest.write(to_json(row) + "\n")
            prediction = {"id": name, "sha256": digest, "status": "done", "reason": None}
            predictions.write(to_json(prediction | {"domain": "portraits", "age": age}) + "\n")
            labels.write(f"{name}.png,{age:g}\n")
    save_bank(folder / "bank.safetensors", people_bank(rows))


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(to_json(row) + "\n" for row in rows))


def people_bank(rows: int) -> Bank:
    """Embeddings of people, `EACH` of each, at ages of 18 to 87.

    Some directions tell more of people apart than others: the spread along them falls as i^-1/2.
    """
    draw = torch.Generator().manual_seed(0)
    falling = torch.arange(1, WIDTH + 1) ** -0.5
    embeddings = torch.empty(rows, WIDTH)
    spread = ((1 - TOGETHER) / TOGETHER / WIDTH) ** 0.5
    for at in range(0, rows, EACH * 1000):
        people = F.normalize(falling * torch.randn(1000, WIDTH, generator=draw), dim=1)
        block = people.repeat_interleave(EACH, 0)[: rows - at]
        block = block + spread * torch.randn(block.shape, generator=draw)
        embeddings[at : at + len(block)] = F.normalize(block, dim=1)
    ages = 18 + 70 * torch.rand(rows, generator=draw)
    return sorted_bank(embeddings, ages, (), embedder="ir-se50", digest=None)


def step(name: str, folder: Path) -> float:
    """Processor seconds of one step on the tables of a folder."""
    pictures = folder / "faces"
    if name == "relabel":
        labels = pictures / "labels.csv"
        request = RelabelRequest(
            source=pictures,
            out=folder / "labels.json",
            labels=labels,
            aligned=True,
            experts=["nano-age"],
        )
        plan = plan_relabel(request)
        ledger = files_folder(request.out) / PREDICTIONS
        ledger.parent.mkdir(exist_ok=True)
        (expert,) = plan.ensemble.tables
        known = map(json.loads, (folder / "predictions.jsonl").read_text().splitlines())
        rows = [
            {k: v for k, v in row.items() if k != "age"}
            | {"predictions": {expert: [row["age"], 3.0, 0.9]}}
            | {"settings": plan.inference.settings}
            for row in known
        ]
        write_rows(ledger, rows)
        del rows
    started = time.process_time()
    match name:
        case "split":
            split_folder(pictures, test=0.1, seed=0, write=True)
        case "filter":
            many = Similarity(impostors=True)
            filter_folder(FilterPlan(pictures, similarity=many), workers=1, progress=Silence())
        case "relabel":
            run_plan(plan, Silence())
        case "bank info":
            read_bank(folder / "bank.safetensors").bin_counts()
        case _:
            bank = read_bank(folder / "bank.safetensors")
            nearest(bank, F.normalize(torch.randn(1, WIDTH), dim=1), 10)
    return time.process_time() - started


def tables(sizes: list[int]) -> None:
    before: dict[str, float] = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            material(Path(folder), rows)
            for name in STEPS:
                line = [sys.executable, __file__, "one", "--step", name, "--folder", folder]
                output = subprocess.run(line, check=True, capture_output=True, text=True).stdout
                seconds, peak = map(float, output.split()[-2:])
                ratio = f", {seconds / before[name]:.1f} times" if name in before else ""
                print(
                    f"{name}, {rows:,} rows: {seconds:.2f} CPU s, {peak:.0f} MiB{ratio}", flush=True
                )
                before[name] = seconds


def miner(faces: int) -> None:
    bank, choice = people_bank(faces), SemiHard(engine="faiss")
    cpu = torch.device("cpu")
    started = time.perf_counter()
    cells = choice.build(bank, cpu)
    print(f"index of {faces:,} x {WIDTH}: {time.perf_counter() - started:.0f} s")
    exact = choice.model_copy(update={"engine": "exact"}).build(bank, cpu)
    draw = torch.Generator().manual_seed(1)
    own = torch.randint(len(bank), (BATCH,), generator=draw)
    noise = (1 - TOGETHER) ** 0.5 * torch.randn(BATCH, WIDTH, generator=draw) / WIDTH**0.5
    anchors = F.normalize(bank.embeddings[own] + noise, dim=1)
    ages = 20 + 60 * torch.rand(BATCH, generator=draw)
    for name, one, rounds in (("exact", exact, DENSE), ("faiss", cells, ROUNDS)):
        times, busy = [], time.process_time()
        for number in range(rounds):
            started = time.perf_counter()
            mined = one.mine(anchors, ages, Draws(0, number, range(BATCH)))
            times.append(time.perf_counter() - started)
        busy = 1000 * (time.process_time() - busy) / rounds
        print(
            f"{name}: {1000 * statistics.median(times):.1f} ms a step of {BATCH} faces"
            f" ({1000 * max(times):.1f} at most; {busy:.1f} CPU ms),"
            f" k {float(mined.metrics['k_effective']):.1f},"
            f" mean cosine {float(mined.metrics['sim_mean']):.3f},"
            f" {torch.get_num_threads()} threads"
        )
    rows = AgeRows.of(bank, cpu, choice.reach)
    index: AgeIndex = cells.index
    within = rows.within(ages, 1)
    for most in (choice.k, choice.top_m):
        pool = index.search(anchors, within, most, choice.high)
        shares = []
        for face in range(BATCH):
            start, end = int(within.start[face]), int(within.end[face])
            cosines = anchors[face] @ rows.embeddings[start:end].T
            best = cosines.masked_fill(cosines > choice.high, -1).topk(most).indices + start
            shares.append(float(torch.isin(best, pool.places[face]).float().mean()))
        print(f"recall of the {most} most similar below {choice.high}: {np.mean(shares):.3f}")
    print(f"peak memory {peak_mib():.0f} MiB")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("tables", "miner", "one"))
    parser.add_argument("--rows", default="1000,10000")
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.what == "one":
        print(step(args.step, args.folder), peak_mib())
        return
    if args.what in (None, "tables"):
        tables([int(one) for one in args.rows.split(",")])
    if args.what in (None, "miner"):
        miner(args.faces)


if __name__ == "__main__":
    main()
