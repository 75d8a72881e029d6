"""Which program starts the processes of a training, and which of them this one is."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from engine.core.errors import UsageError

STARTED_BY = "TM_STARTED_BY"
"""The process id of the first process, in the environment of those that it starts."""
INTERACTIVE = ("bash", "interactive")
"""Names of SLURM jobs in which somebody types: what they start is no part of a job step."""
MEETING = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


@dataclass(frozen=True, slots=True)
class Launcher:
    """A program that started as many processes on each machine, this one among them.

    name: torchrun or SLURM; nodes: machines; devices: processes on each; rank: of this one, from 0.
    """

    name: str
    nodes: int
    devices: int
    rank: int

    def environment(self) -> ClusterEnvironment:
        """How Lightning Fabric finds the other processes."""
        if self.name == "torchrun":
            return TorchElasticEnvironment()
        # Lightning looks for the first machine under the older name alone.
        os.environ.setdefault("SLURM_NODELIST", os.environ.get("SLURM_JOB_NODELIST", "127.0.0.1"))
        return SLURMEnvironment()


def launcher(environ: Mapping[str, str] = os.environ) -> Launcher | None:
    """The program that started this process as one of several; None if tm is to start them.

    torchrun and `srun` say so in the environment. UsageError where machines run different numbers
    of processes, or where a number is missing or is none.
    """
    if "TORCHELASTIC_RUN_ID" in environ:
        each, nodes = _number(environ, "LOCAL_WORLD_SIZE"), _number(environ, "GROUP_WORLD_SIZE")
        if each * nodes != (count := _number(environ, "WORLD_SIZE")):
            raise UsageError(
                f"{nodes} machines run {count} processes, and this one {each} of them",
                hint="give every machine the same `--nproc-per-node`",
            )
        rank = _rank(environ, "RANK", "LOCAL_RANK", "GROUP_RANK")
        return Launcher("torchrun", nodes, each, rank)
    if "SLURM_NTASKS" not in environ or environ.get("SLURM_JOB_NAME") in INTERACTIVE:
        return None
    count = _number(environ, "SLURM_NTASKS")
    if count == 1:
        return None
    nodes = _number(environ, "SLURM_NNODES")
    if environ.get("SLURM_NTASKS_PER_NODE", "") != str(count // nodes) or count % nodes:
        raise UsageError(
            f"SLURM has {count} tasks on {nodes} machines, and not as many on each",
            hint=f"`srun --nodes {nodes} --ntasks-per-node {-(-count // nodes)} tm train ...`",
        )
    rank = _rank(environ, "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
    return Launcher("SLURM", nodes, count // nodes, rank)


def _rank(environ: Mapping[str, str], name: str, *others: str) -> int:
    """The number of this process among all; Lightning reads the others where it meets them."""
    for other in others:
        _number(environ, other, least=0)
    return _number(environ, name, least=0)


def _number(environ: Mapping[str, str], name: str, *, least: int = 1) -> int:
    text = environ.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= least):
        raise UsageError(
            f"{name} is `{text}` in the environment, and no number of at least {least}",
            hint="torchrun and `srun` set it; start `tm` by them, or without their variables",
        )
    return int(text)


def shape(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """Processes on each machine, and machines: as asked, or as torchrun or SLURM started them.

    UsageError where the two disagree, or where the machines of `--nodes` cannot meet.
    """
    by = launcher()
    if by is not None:
        for option, asked, there in (("devices", devices, by.devices), ("nodes", nodes, by.nodes)):
            if asked not in (None, there):
                raise UsageError(
                    f"`--{option} {asked}` is asked, and {by.name} started {there}",
                    hint=f"leave `--{option}` out: {by.name} says it",
                )
        return by.devices, by.nodes
    if nodes is not None and nodes > 1:
        require_meeting(nodes)
    return devices or 1, nodes or 1


def require_meeting(nodes: int, environ: Mapping[str, str] = os.environ) -> None:
    """UsageError unless the environment says where the machines meet, and which this one is."""
    lacks = [name for name in MEETING if not environ.get(name)]
    if lacks:
        raise UsageError(
            f"{nodes} machines cannot meet: {', '.join(lacks)} {'is' if len(lacks) == 1 else 'are'}"
            " not set",
            hint="on each machine `MASTER_ADDR=HOST MASTER_PORT=29500 NODE_RANK=K tm train ...`,"
            " with the host of number 0, K from 0; or let `python -m torch.distributed.run` do it",
        )
    number = environ["NODE_RANK"]
    if not number.isdecimal() or int(number) >= nodes:
        raise UsageError(f"NODE_RANK is `{number}`, and {nodes} machines count from 0")


def environment() -> ClusterEnvironment:
    """How Lightning Fabric finds or starts the other processes."""
    by = launcher()
    return LightningEnvironment() if by is None else by.environment()


class _Known:
    rank: int | None = None


def know_rank(rank: int) -> None:
    """Let `is_child` answer by the rank that the processes agreed on."""
    _Known.rank = rank


def is_child() -> bool:
    """Whether another process of the same training writes and reports, and not this one."""
    if _Known.rank is not None:
        return _Known.rank > 0
    by = launcher()
    return by.rank > 0 if by is not None else is_started_by_tm()


def is_started_by_tm() -> bool:
    """Whether another process of tm on this machine started this one to share its training."""
    return launcher() is None and os.environ.get("LOCAL_RANK", "0") != "0"
