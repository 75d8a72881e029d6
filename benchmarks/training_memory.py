"""Memory of a step of `mytm/stage1`: whole batches, `accumulate`, `recompute`.

`python benchmarks/training_memory.py [--pictures 2] [--size 1024] [--json FILE]`, else at 256 px;
1024 px take 10 GB. One step of each kind in a process of its own, on the networks as published with
random weights (encoder, adapter and decoder trained, without the networks of losses), float32 on
the processor: peak of the process, what of it came with the step, the estimate of
`tm train --dry-run`, and seconds.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Adam

from engine.nets.adapter import Adapter, AdapterSpec
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec, widths
from engine.runtime.recompute import recompute
from engine.training.activations import count_activations
from engine.trainings.personal.memory import forward_pass

MEBIBYTE = 1 << 20
SIDE = 256


def parts_of(size: int) -> dict[str, nn.Module]:
    spec = GeneratorSpec(size, widths(size))
    return {
        "trained_encoder": GradualStyleEncoder(EncoderSpec(4, spec.n_latent)).eval(),
        "adapter": Adapter(AdapterSpec(spec.n_latent, spec.style_width)),
        "decoder": Generator(spec),
    }


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


def one(size: int, pictures: int, parts: int, again: bool) -> dict[str, float]:
    torch.manual_seed(0)
    nets = parts_of(size)
    batch = pictures // parts
    forward = partial(forward_pass, batch=batch, side=SIDE)
    kept = count_activations(forward, nets)
    optimizer = Adam([p for net in nets.values() for p in net.parameters()], lr=1e-4)
    for group in optimizer.param_groups:  # its moments are there from the first step on
        for p in group["params"]:
            optimizer.state[p] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }
            p.grad = torch.zeros_like(p)
    if again:
        for net in nets.values():
            recompute(net)
    before, started = peak(), time.perf_counter()
    for _ in range(parts):
        output = forward(nets)
        (F.mse_loss(output, torch.zeros_like(output)) / parts).backward()
    optimizer.step()
    return {
        "pictures": pictures,
        "accumulate": parts,
        "recompute": again,
        "peak_mib": round(peak()),
        "step_mib": round(peak() - before),
        "estimated_mib": round((kept.recomputed if again else kept.plain) / MEBIBYTE),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, type=int, metavar=("PARTS", "AGAIN"))
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(one(args.size, args.pictures, args.one[0], bool(args.one[1]))))
        return
    rows = []
    for again in (1, 0):
        for parts in (args.pictures, 1):
            line = [sys.executable, __file__, "--size", str(args.size)]
            line += ["--pictures", str(args.pictures), "--one", str(parts), str(again)]
            output = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            rows.append(json.loads(output.splitlines()[-1]))
            print(rows[-1], flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps({"size": args.size, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
