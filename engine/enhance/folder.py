"""A batch of enhancements, resumable: over processes on a CPU, else reading and writing ahead."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from engine.config.write import recipe_toml
from engine.core.atomic import write_text
from engine.core.batch import PROCESS_DIED, BatchReport, Finished, fault_row, is_current, run_batch
from engine.core.errors import PictureError
from engine.core.ledger import Row
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.data.manifest import Row as ManifestRow
from engine.data.manifest import ledger_of, seen_from
from engine.enhance.chain import Chain
from engine.enhance.one import Job, Read, Worked, read_one, work_one, write_one
from engine.enhance.plan import EnhancePlan, pictures_of
from engine.runtime.pool import in_processes, is_elsewhere

RECIPE = "recipe.toml"
"""The resolved recipe of the last run, beside the manifest."""
LIMIT = 4 * 3600.0
"""Seconds for a picture: the published networks on one core may take an hour over a large one."""
WORTH_PROCESSES = 12
"""Pictures from which loading the networks once more in every process is worth its seconds."""


def enhance_folder(plan: EnhancePlan, progress: Progress, *, workers: int = 1) -> BatchReport:
    """Enhance every picture that the manifest does not hold yet under the same settings.

    The resolved recipe is kept beside the results; workers: processes, on a CPU.
    """
    jobs = [Job(photo, stem) for photo, stem in pictures_of(plan).items()]

    def work(jobs: Sequence[Job]) -> Iterator[Finished[Job]]:
        for job, row in _rows(jobs, plan, workers):
            yield job, [ManifestRow.model_validate(row).dump()]

    photos = [job.photo for job in jobs]
    with (
        locked(plan.out, guarded=True, inputs=photos) as held,
        ledger_of(plan.out) as ledger,
    ):
        if held.is_new and ledger.rows:
            held.adopt([RECIPE])
        held.require_own(RECIPE)
        write_text(plan.out / RECIPE, recipe_toml(plan.recipe))
        return run_batch(
            jobs,
            ledger,
            name=lambda job: seen_from(plan.out, job.photo),
            is_finished=lambda job, rows: is_current(job.photo, rows, plan.out, plan.settings),
            work=work,
            task="Enhancing",
            progress=progress,
        )


def _rows(jobs: Sequence[Job], plan: EnhancePlan, workers: int) -> Iterator[tuple[Job, Row]]:
    if not jobs:
        return
    worth = plan.device == "cpu" and workers > 1 and len(jobs) >= WORTH_PROCESSES
    if is_elsewhere() or worth:
        work = partial(_alone, plan=plan)
        count = min(workers, len(jobs))
        for outcome in in_processes(work, jobs, workers=count, limit=LIMIT):
            job, row = outcome.item, outcome.result
            yield job, _died(job, plan) if row is None else row
        return
    yield from overlapped(jobs, plan, plan.chain())


def overlapped(jobs: Sequence[Job], plan: EnhancePlan, chain: Chain) -> Iterator[tuple[Job, Row]]:
    """Compute here while one thread reads the next picture and another writes the last one."""
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
        upcoming: Future[Read] = reading.submit(read_one, jobs[0], plan)
        written: Future[Row] | None = None
        for index, job in enumerate(jobs):
            read = upcoming.result()
            if index + 1 < len(jobs):
                upcoming = reading.submit(read_one, jobs[index + 1], plan)
            worked = work_one(read, chain, plan)
            if written is not None:
                yield jobs[index - 1], written.result()
            written = writing.submit(write_one, job, worked, plan)
            del read, worked
        assert written is not None
        yield jobs[-1], written.result()


def _alone(job: Job, plan: EnhancePlan) -> Row:
    """Read, enhance and write one picture, in a process with a chain of its own."""
    return write_one(job, work_one(read_one(job, plan), _chain_of(plan), plan), plan)


_chains: dict[str, Chain] = {}


def _chain_of(plan: EnhancePlan) -> Chain:
    """The chain of this process; every job carries a copy of the plan, so the key is its digest."""
    if plan.settings not in _chains:
        _chains[plan.settings] = plan.chain()
    return _chains[plan.settings]


def _died(job: Job, plan: EnhancePlan) -> Row:
    return write_one(job, Worked(Read(None), fault=fault_row(PictureError(PROCESS_DIED))), plan)
