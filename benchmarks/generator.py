"""StyleGAN2's generator against its plain form: grouped weights per sample, then conv + blur.

Both run on the same parameters, codes, noise, threads and type, in one process, in turn. Values
(and gradients) are compared before anything is timed. On a GPU every type is also run compiled.

    python benchmarks/generator.py [--size 1024] [--batch 1] [--rounds 5] [--json] [--profile]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.plain import synthesise
from engine.nets.stylegan2.spec import GeneratorSpec, widths

Form = Callable[[Tensor], Tensor]
TASKS = ("forward", "forward + backward", "forward + backward to the codes")
TARGETS = {"forward": 2.0, "forward + backward": 1.5}
# Relative to the largest value. Gradients are those of sums over a million pixels in float32 (the
# tests compare them in float64); half precision is reported without a bound: both forms round.
TOLERANCE = {"forward": 1e-4}
GRADIENT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Row:
    """Medians of one task in one setting; memory in MiB where the device counts it."""

    task: str
    setting: str
    plain_s: float
    ours_s: float
    ratio: float
    apart: float
    plain_mib: float | None
    ours_mib: float | None


def once(form: Form, task: str, net: Generator, w_plus: Tensor) -> Tensor:
    """Run a task; returns what the two forms must agree on."""
    if task == "forward":
        with torch.no_grad():
            return form(w_plus)
    net.requires_grad_(not task.endswith("codes"))
    net.zero_grad(set_to_none=True)
    w_plus = w_plus.clone().requires_grad_()
    # A mean of squares: every pixel has a gradient of its own.
    form(w_plus).float().square().mean().backward()
    assert w_plus.grad is not None
    gradients = [w_plus.grad, *(p.grad for p in net.parameters() if p.grad is not None)]
    return torch.cat([(grad / grad.abs().max().clamp_min(1e-30)).flatten() for grad in gradients])


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(run: Callable[[], Tensor], device: torch.device) -> float:
    synchronise(device)
    started = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - started


def peak_mib(run: Callable[[], Tensor], device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return torch.cuda.max_memory_allocated(device) / 2**20


def compare(
    net: Generator,
    w_plus: Tensor,
    task: str,
    dtype: torch.dtype,
    rounds: int,
    *,
    compiled: bool,
) -> Row:
    """Check that both forms agree, then time them in turn."""
    device = w_plus.device
    noise = net.stored_noise()

    def ours(codes: Tensor) -> Tensor:
        return net(codes, noise=noise)

    def plain(codes: Tensor) -> Tensor:
        return synthesise(net, codes, noise)

    forms = [torch.compile(form) if compiled else form for form in (plain, ours)]
    half = torch.autocast(device.type, dtype=dtype) if dtype != torch.float32 else nullcontext()
    with half:
        runs = [lambda form=form: once(form, task, net, w_plus) for form in forms]
        outputs = [run() for run in runs]
        apart = float((outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max())
        if dtype == torch.float32 and not apart <= TOLERANCE.get(task, GRADIENT_TOLERANCE):
            sys.exit(f"{task}: the two forms are {apart:.1e} apart, there is nothing to time")
        del outputs
        seconds = [[timed(run, device) for run in runs] for _ in range(rounds)]
        memory = [peak_mib(run, device) for run in runs]
    plain_s, ours_s = (statistics.median(column) for column in zip(*seconds, strict=True))
    ratio = statistics.median(row[0] / row[1] for row in seconds)
    setting = f"{str(dtype).removeprefix('torch.')}{', compiled' if compiled else ''}"
    return Row(task, setting, plain_s, ours_s, ratio, apart, *memory)


def profiled(net: Generator, w_plus: Tensor) -> str:
    """Where one forward pass of ours spends its time."""
    activities = [ProfilerActivity.CPU]
    if w_plus.is_cuda:
        activities.append(ProfilerActivity.CUDA)
    with torch.no_grad(), profile(activities=activities) as profiler:
        net(w_plus)
    order = "self_device_time_total" if w_plus.is_cuda else "self_cpu_time_total"
    return profiler.key_averages().table(sort_by=order, row_limit=10, max_name_column_width=40)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="of the picture, in px")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of the processor; all of them if absent")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--task", choices=TASKS, action="append", help="all of them if absent")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def main() -> None:
    chosen = arguments()
    if chosen.threads is not None:
        torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    device = torch.device(chosen.device)
    net = Generator(GeneratorSpec(chosen.size, widths(chosen.size))).to(device)
    w_plus = torch.randn(chosen.batch, net.spec.n_latent, net.spec.style_width).to(device)
    on_gpu = device.type == "cuda"
    settings = [
        (dtype, compiled)
        for dtype in ([torch.float32, torch.bfloat16] if on_gpu else [torch.float32])
        for compiled in ([False, True] if on_gpu else [False])
    ]
    rows = [
        compare(net, w_plus, task, dtype, chosen.rounds, compiled=compiled)
        for dtype, compiled in settings
        for task in (TASKS if chosen.task is None else chosen.task)
    ]
    where = torch.cuda.get_device_name(device) if on_gpu else f"{torch.get_num_threads()} threads"
    if chosen.json:
        arguments_used = {
            "size": chosen.size,
            "batch": chosen.batch,
            "rounds": chosen.rounds,
        }
        print(
            json.dumps({**arguments_used, "device": where, "rows": [asdict(row) for row in rows]})
        )
    else:
        print(f"StyleGAN2-{chosen.size}, batch {chosen.batch}, {where}: {chosen.rounds} pairs")
        for row in rows:
            target = f" (target {TARGETS[row.task]:.1f})" if row.task in TARGETS else ""
            memory = f"  {row.plain_mib:.0f} -> {row.ours_mib:.0f} MiB" if on_gpu else ""
            print(
                f"  {row.task:32} {row.setting:18} plain {row.plain_s:7.3f} s  ours "
                f"{row.ours_s:7.3f} s  {row.ratio:5.2f}x{target}  apart {row.apart:.1e}{memory}"
            )
    if chosen.profile:
        print(profiled(net, w_plus), file=sys.stderr)


if __name__ == "__main__":
    main()
