"""Device, precision and processes of a training, through Lightning Fabric."""

import logging
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

from engine.core.dry_run import is_dry
from engine.core.errors import TmError, UsageError
from engine.runtime.device import Device, Precision, choose
from engine.runtime.orphans import die_with_parent
from engine.runtime.pool import require_cores
from engine.training.launcher import (
    STARTED_BY,
    environment,
    is_started_by_tm,
    know_rank,
    launcher,
    shape,
)

Shared = TypeVar("Shared")
LOST = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""What torch's errors of a connection to another process say; some have no class of their own."""


class LostProcessError(TmError):
    """Another process of a training ended or does not answer."""


class Processes:
    """This process among those that share a training; the first one writes the run's files.

    Every process holds the whole networks and a slice of every batch. Gradients are averaged
    explicitly: a task may call its networks several times and differentiate twice (gradient
    penalties), which the wrappers of data parallelism do not allow.
    """

    def __init__(
        self,
        device: Device = "auto",
        devices: int | None = None,
        precision: Precision = "auto",
        *,
        nodes: int | None = None,
        timeout: float = 30.0,
    ) -> None:
        """devices: processes on each machine, nodes: machines; one each, or as torchrun or SLURM
        started them; timeout: minutes that a process waits for the others.

        UsageError where there are too few devices or the machines cannot meet.
        """
        compute = choose(device, precision)
        kind = compute.device.type
        devices, nodes = shape(devices, nodes)
        fewer = "use fewer by `--devices N`"
        if kind == "cuda" and devices > torch.cuda.device_count():
            raise UsageError(
                f"there are {torch.cuda.device_count()} GPUs here, not {devices}", hint=fewer
            )
        if kind == "cpu":
            require_cores(devices)
        if kind == "mps" and devices * nodes > 1:
            raise UsageError("there is one Apple GPU, and `devices` is more")
        # Its messages at the start are in the run folder already.
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        self.kind, self.timeout = kind, timeout
        shared = devices * nodes > 1
        self._fabric: Any = Fabric(
            accelerator=kind,
            devices=devices,
            num_nodes=nodes,
            strategy=DDPStrategy(timeout=timedelta(minutes=timeout)) if shared else "auto",
            plugins=[environment()] if shared else None,
            precision="bf16-mixed" if compute.dtype == torch.bfloat16 else "32-true",
        )

    def launch(self, threads: int | None = None) -> None:
        """Start the other processes (each runs this very command) and wait for them; not in a dry
        run, which checks in this one. LostProcessError if they do not come in time.
        """
        if is_dry():
            return
        by = launcher()
        # Before the rendezvous, whose timeout after a killed first process is half an hour.
        if by is not None and by.name == "torchrun":
            die_with_parent()
        elif is_started_by_tm():
            parent = os.environ.get(STARTED_BY)
            die_with_parent(None if parent is None else int(parent))
        elif by is None:
            os.environ[STARTED_BY] = str(os.getpid())
        with self.watched("start it again on all machines within that time"):
            self._fabric.launch()
        know_rank(self.rank)
        if threads is not None:
            torch.set_num_threads(threads)

    @property
    def first(self) -> bool:
        """Whether this process writes the run's files."""
        return bool(self._fabric.is_global_zero)

    @property
    def count(self) -> int:
        """Processes in all."""
        return int(self._fabric.world_size)

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return int(self._fabric.global_rank)

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return self._fabric.device

    def positions(self, batch: int, parts: int = 1) -> list[range]:
        """This process's positions in `parts` batches that are one step, batch by batch.

        UsageError if a batch does not divide.
        """
        if batch % self.count:
            raise UsageError(f"a batch of {batch} cannot be shared by {self.count} processes")
        each = batch // self.count
        first = self.rank * each * parts
        return [range(first + part * each, first + (part + 1) * each) for part in range(parts)]

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the forward pass."""
        return self._fabric.autocast()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes, in one message."""
        if self.count == 1:
            return
        trained = [p for p in parameters if p.requires_grad]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        sizes = [gradient.numel() for gradient in gradients]
        for p, gradient, part in zip(trained, gradients, flat.split(sizes), strict=True):
            gradient.copy_(part.view_as(gradient))
            p.grad = gradient

    def average(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The mean of named scalars over the processes that have them, which may be different ones:
        a loss may apply to no sample of one process.
        """
        names = self._names(values)
        if not names:
            return {}
        absent = torch.zeros((), device=self.device)
        sums = torch.stack([values.get(n, absent).detach().float() for n in names])
        counts = torch.tensor([float(n in values) for n in names], device=self.device)
        if self.count > 1:
            torch.distributed.all_reduce(sums)
            torch.distributed.all_reduce(counts)
        return dict(zip(names, (sums / counts).tolist(), strict=True))

    def _names(self, values: Mapping[str, Tensor]) -> list[str]:
        """The names that any process has, in the order of the first process that has them."""
        if self.count == 1:
            return list(values)
        everywhere: list[list[str]] = [[] for _ in range(self.count)]
        torch.distributed.all_gather_object(everywhere, list(values))
        return list(dict.fromkeys(name for names in everywhere for name in names))

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process."""
        if self.count == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(raised)
        return bool(raised.item() > 0)

    def share(self, value: Shared) -> Shared:
        """The value of the first process, in all of them."""
        return value if self.count == 1 or is_dry() else self._fabric.broadcast(value)

    @contextmanager
    def watched(self, hint: str) -> Generator[None]:
        """Turn a broken or silent connection to another process into a LostProcessError."""
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not is_lost(error):
                raise
            raise LostProcessError(
                f"another of the {self.count} processes of this training ended, or did not answer"
                f" for {self.timeout:g} minutes",
                hint=hint,
            ) from error

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            self._fabric.barrier()

    def close(self) -> None:
        """Leave the process group."""
        if self.count > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def is_lost(error: RuntimeError) -> bool:
    """Whether an error is of the connection to another process, and not of the computation."""
    if isinstance(error, torch.distributed.DistError):
        return True
    return any(mark in str(error) for mark in LOST)


def on_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The batch on a device."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def to_device(nets: Sequence[nn.Module], device: torch.device) -> None:
    """Networks on a device, their convolutions in the fastest layout."""
    for net in nets:
        net.to(device=device)
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)
