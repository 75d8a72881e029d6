"""A folder of old photos: resumed by content, over the cores or ahead of the GPU."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.core.atomic import write_text
from engine.core.digest import file_sha256
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.data.manifest import Row as Seen
from engine.data.manifest import ledger_of, seen_from
from engine.enhance.chain import Chain
from engine.enhance.one import Job, Read, Row, read_one, work_one, write_one
from engine.enhance.plan import EnhancePlan, pictures_of
from engine.runtime.pool import in_processes

RECIPE = "recipe.toml"
"""The resolved recipe of the last run, beside the manifest."""
WORTH_PROCESSES = 12
"""Pictures from which loading the networks once more in every process is worth its seconds."""


@dataclass(frozen=True, slots=True)
class EnhanceReport:
    """The rows of this run, and how many pictures an earlier one had done already."""

    rows: tuple[Row, ...]
    kept: int

    def count(self, status: str) -> int:
        """How many rows have a status."""
        return sum(row["status"] == status for row in self.rows)


def enhance_folder(
    plan: EnhancePlan, recipe: str, progress: Progress, *, workers: int = 1
) -> EnhanceReport:
    """Enhance every picture that the manifest does not hold yet under the same settings.

    recipe: the resolved one as TOML, kept beside the results; workers: processes, on a CPU.
    """
    jobs = [Job(photo, stem) for photo, stem in pictures_of(plan).items()]
    fresh: list[Row] = []
    with locked(plan.out), ledger_of(plan.out) as ledger:
        write_text(plan.out / RECIPE, recipe)
        standing = {row["source"]: row for row in ledger.rows.values()}
        left = [job for job in jobs if not _stands(job, plan, standing)]
        with reported(progress, "Enhancing", len(left)):
            for row in _rows(left, plan, workers):
                whole = Seen.model_validate(row).dump()
                ledger.add(whole)
                fresh.append(whole)
                progress.advance(str(row["source"]))
    return EnhanceReport(tuple(fresh), len(jobs) - len(left))


def _rows(jobs: Sequence[Job], plan: EnhancePlan, workers: int) -> Iterator[Row]:
    if not jobs:
        return
    if plan.device == "cpu" and workers > 1 and len(jobs) >= WORTH_PROCESSES:
        work = partial(_alone, plan=plan)
        for outcome in in_processes(work, jobs, workers=min(workers, len(jobs))):
            yield _died(outcome.item, plan) if outcome.result is None else outcome.result
        return
    yield from overlapped(jobs, plan, plan.chain())


def overlapped(jobs: Sequence[Job], plan: EnhancePlan, chain: Chain) -> Iterator[Row]:
    """Compute here while one thread reads the next picture and another writes the last one."""
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
        upcoming: Future[Read] = reading.submit(read_one, jobs[0], plan)
        before: Future[Row] | None = None
        for index, job in enumerate(jobs):
            read = upcoming.result()
            if index + 1 < len(jobs):
                upcoming = reading.submit(read_one, jobs[index + 1], plan)
            worked = work_one(read, chain, plan)
            if before is not None:
                yield before.result()
            before = writing.submit(write_one, job, worked, plan)
            del read, worked
        assert before is not None
        yield before.result()


def _alone(job: Job, plan: EnhancePlan) -> Row:
    """Everything about one picture, in a process that has a chain of its own."""
    return write_one(job, work_one(read_one(job, plan), _chain_of(plan), plan), plan)


_chains: dict[str, Chain] = {}


def _chain_of(plan: EnhancePlan) -> Chain:
    """The chain of this process; every job brings a copy of the plan, so it goes by its digest."""
    if plan.settings not in _chains:
        _chains[plan.settings] = plan.chain()
    return _chains[plan.settings]


def _died(job: Job, plan: EnhancePlan) -> Row:
    source = seen_from(plan.out, job.photo)
    reason = "its process died, most likely for want of memory"
    return {"source": source, "output": None, "status": "failed", "reason": reason}


def _stands(job: Job, plan: EnhancePlan, rows: dict[str, dict[str, Any]]) -> bool:
    """Whether a result is there, whole, of this very picture and these settings."""
    row = rows.get(seen_from(plan.out, job.photo))
    if row is None or row["status"] != "done" or row.get("settings") != plan.settings:
        return False
    output, sidecar = plan.out / str(row["output"]), plan.out / str(row.get("sidecar"))
    return (
        output.is_file()
        and sidecar.is_file()
        and row["sha256"] == file_sha256(job.photo)
        and row.get("output_sha256") == file_sha256(output)
    )
