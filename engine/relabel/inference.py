"""Expert inference: the predictions of every expert for every face, in a resumable ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import TmError, WeightsError
from engine.core.ledger import Ledger, Row
from engine.core.progress import Progress, reported
from engine.data.domains import Domain
from engine.evaluators.drawn import DomainClassifier
from engine.experts.base import Expert, ExpertTable, Faces
from engine.experts.mixture import Predictions
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.dlib_resnet import PADDING, SIZE
from engine.relabel.faces import FaceReading, LoadedFace, load_chunks, read_chunk
from engine.relabel.source import Job
from engine.runtime.device import Compute, choose
from engine.runtime.pool import PICTURE_LIMIT, in_processes, in_threads, is_elsewhere

CHIP = partial(dlib_chip, size=SIZE, padding=PADDING)
"""Where dlib's descriptor sees a face."""
DIGITS = 4
"""Decimals that predictions are stored with."""
INFERENCE_WORKERS = 4
"""Batches that small experts predict in parallel: faces are read no faster."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The loaded experts by name, and why the others are absent."""

    experts: Mapping[str, Expert]
    tables: Mapping[str, ExpertTable]
    absent: Mapping[str, TmError]
    requested: Mapping[str, ExpertTable]

    @classmethod
    def load(
        cls,
        tables: Sequence[ExpertTable],
        device: torch.device,
        loaded: Mapping[str, Expert] | None = None,
    ) -> "Ensemble":
        """Load every expert whose weights are here; WeightsError with all reasons if none is.

        loaded: experts that are loaded already, by name.
        """
        experts: dict[str, Expert] = {}
        absent: dict[str, TmError] = {}
        for table in tables:
            try:
                given = loaded.get(table.name) if loaded is not None else None
                experts[table.name] = given if given is not None else table.load(device)
            except TmError as error:
                absent[table.name] = error
        if not experts:
            reasons = "".join(f"\n  {name}: {error}" for name, error in absent.items())
            hints = [error.hint for error in absent.values() if error.hint is not None]
            raise WeightsError(f"none of the experts is here{reasons}", hint=(hints or [None])[0])
        here = {table.name: table for table in tables if table.name in experts}
        return cls(experts, here, absent, {table.name: table for table in tables})

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each expert's weights, by name."""
        return {name: expert.digest for name, expert in self.experts.items()}

    @property
    def small(self) -> bool:
        """Whether all experts are so small that a batch leaves cores idle."""
        return all(table.small for table in self.tables.values())

    def missed(self, faces: Mapping[Domain, int]) -> list[str]:
        """The absent experts whose domain has faces, given the number of faces by domain."""
        return [name for name in self.absent if faces.get(self.requested[name].domain, 0)]

    def of_domain(self, domain: Domain) -> list[str]:
        """The names of the experts for a domain."""
        return [name for name, table in self.tables.items() if table.domain == domain]


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """How predictions are made; the ledger's rows of other settings are predicted again."""

    ensemble: Ensemble
    domain: Domain | DomainClassifier
    """The domain of all faces, or what decides it face by face."""
    reading: FaceReading
    aligned: bool
    batch: int
    workers: int
    """Processes that read faces."""
    inference_workers: int = 1
    """Batches that are predicted in parallel, each on its share of the cores."""
    compute: Compute = field(default_factory=partial(choose, "cpu"))
    """Device and number format of the experts' networks."""

    @property
    def settings(self) -> str:
        """Digest of everything that predictions depend on."""
        return settings_digest(
            {
                "experts": self.ensemble.digests,
                "tables": {name: table.dump() for name, table in self.ensemble.tables.items()},
                "domain": self.domain if isinstance(self.domain, str) else "by descriptor",
                "precision": str(self.compute.dtype),
                "aligned": self.aligned,
                "reading": None if self.aligned else self.reading.dump(),
            }
        )

    def domains(self, loaded: Sequence[LoadedFace]) -> list[Domain]:
        """The domain of each face: that of the request, what its file says, or what it shows."""
        if isinstance(self.domain, str):
            return [self.domain] * len(loaded)
        unknown = [one for one in loaded if not one.rendered]
        seen = iter(self.domain.classify(_faces(unknown).crops(CHIP)) if unknown else ())
        return ["portraits" if one.rendered else next(seen) for one in loaded]


def predict(
    jobs: Sequence[Job], request: PredictionRequest, path: Path, progress: Progress
) -> dict[str, Row]:
    """Predictions for every picture by name, made where the ledger at `path` holds none.

    Chunks keep their places in the whole list, so a run that was interrupted predicts the same
    batches as one that was not, and gets the same last digits.
    """
    settings = request.settings
    names = {job.name for job in jobs}
    with Ledger(path, key=lambda row: row["id"]) as ledger:
        ledger.drop([name for name in ledger.rows if name not in names])
        chunks = [jobs[at : at + request.batch] for at in range(0, len(jobs), request.batch)]
        pending = [
            chunk
            for chunk in chunks
            if not all(_current(ledger.rows.get(job.name), job, settings) for job in chunk)
        ]
        bodies = any(table.bodies for table in request.ensemble.tables.values())
        with reported(progress, "Predicting ages", sum(map(len, pending))):
            predicted = _spread if is_elsewhere() else _in_parallel
            for rows in predicted(pending, request, bodies):
                for row in rows:
                    ledger.add({**row, "settings": settings})
                    progress.advance(row["id"])
        return dict(ledger.rows)


def _spread(
    chunks: Sequence[Sequence[Job]], request: PredictionRequest, bodies: bool
) -> Iterator[list[Row]]:
    """The rows of each chunk, in order, each read and predicted by one worker of a cluster."""
    work = partial(_read_and_predict, request=request, bodies=bodies)
    limit = PICTURE_LIMIT * max(map(len, chunks), default=1)
    waiting: dict[int, list[Row]] = {}
    upcoming = 0
    for outcome in in_processes(work, list(enumerate(chunks)), workers=1, limit=limit):
        number, chunk = outcome.item
        rows = outcome.result
        if rows is None:  # its worker died three times: find out over which picture
            (faces,) = _loaded([chunk], request, bodies)
            rows = predict_chunk(faces, request)
        waiting[number] = rows
        while upcoming in waiting:
            yield waiting.pop(upcoming)
            upcoming += 1


def _read_and_predict(
    numbered: tuple[int, Sequence[Job]], *, request: PredictionRequest, bodies: bool
) -> list[Row]:
    return predict_chunk(read_chunk(numbered[1], request.aligned, request.reading, bodies), request)


def _loaded(
    chunks: Sequence[Sequence[Job]], request: PredictionRequest, bodies: bool
) -> Iterator[list[LoadedFace]]:
    return load_chunks(
        chunks,
        aligned=request.aligned,
        reading=request.reading,
        bodies=bodies,
        workers=request.workers,
    )


def _in_parallel(
    pending: Sequence[Sequence[Job]], request: PredictionRequest, bodies: bool
) -> Iterator[list[Row]]:
    """The rows of each chunk, in order."""
    chunks, work = _loaded(pending, request, bodies), partial(predict_chunk, request=request)
    workers = request.inference_workers
    if workers == 1:
        yield from map(work, chunks)
        return
    threads = torch.get_num_threads()
    share = partial(torch.set_num_threads, max(threads // workers, 1))
    try:
        yield from in_threads(work, chunks, threads=workers, ahead=workers, prepare=share)
    finally:
        torch.set_num_threads(threads)  # it sets more than the thread that it is called in


def predict_chunk(chunk: Sequence[LoadedFace], request: PredictionRequest) -> list[Row]:
    """A row for every picture: its digest, its domain, and the predictions of that domain."""
    loaded = [one for one in chunk if one.face is not None]
    rows: dict[str, Row] = {
        one.job.name: {
            "id": one.job.name,
            "sha256": one.sha256,
            "status": one.status,
            "reason": one.reason,
            "domain": None,
            "predictions": {},
        }
        for one in chunk
    }
    if loaded:
        faces = _faces(loaded)
        domains = request.domains(loaded)
        for domain in sorted(set(domains)):
            own = [one for one, its in zip(loaded, domains, strict=True) if its == domain]
            batch = faces if len(own) == len(loaded) else _faces(own)
            with request.compute.precision():
                _predict_domain(own, batch, domain, request.ensemble, rows)
    return list(rows.values())


def _faces(loaded: Sequence[LoadedFace]) -> Faces:
    known = [(one.face, one.body, one.landmarks) for one in loaded if one.face is not None]
    return Faces(*zip(*known, strict=True))


@torch.inference_mode()
def _predict_domain(
    loaded: Sequence[LoadedFace],
    faces: Faces,
    domain: Domain,
    ensemble: Ensemble,
    rows: dict[str, Row],
) -> None:
    for one in loaded:
        rows[one.job.name]["domain"] = domain
    for name in ensemble.of_domain(domain):
        ages = ensemble.experts[name].predict(faces)
        values = torch.stack([ages.years, ages.spread, ages.confidence], dim=1).tolist()
        for one, prediction in zip(loaded, values, strict=True):
            if np.isfinite(prediction).all():
                rounded = [round(value, DIGITS) for value in prediction]
                rows[one.job.name]["predictions"][name] = rounded


def predictions_of(rows: Sequence[Row], experts: Sequence[str]) -> Predictions:
    """The predictions in rows of the ledger as arrays; a missing one is NaN."""
    values = np.full((3, len(rows), len(experts)), np.nan)
    for row_at, row in enumerate(rows):
        for expert_at, name in enumerate(experts):
            if name in row["predictions"]:
                values[:, row_at, expert_at] = row["predictions"][name]
    return Predictions(tuple(experts), values[0], values[1], values[2])


def _current(row: dict[str, Any] | None, job: Job, settings: str) -> bool:
    if row is None or row["settings"] != settings or row["sha256"] is None:
        return False
    try:
        return row["sha256"] == file_sha256(job.path)
    except OSError:  # the file is gone: reading it again reports the reason
        return False
