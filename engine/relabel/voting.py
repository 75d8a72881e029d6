"""Every expert's vote on every face, into a ledger that a later run goes on with."""

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
from engine.evaluators.domain import TrainingDomain
from engine.experts.base import Expert, ExpertTable, Faces
from engine.experts.mixture import Predictions
from engine.nets.loading import frozen
from engine.nets.nano.encoder import NanoEncoder
from engine.relabel.reading import FaceReading, Seen, seen_in_chunks
from engine.relabel.source import Job
from engine.runtime.device import Compute, choose
from engine.runtime.pool import in_threads
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

DIGITS = 4
"""Decimals that votes are kept with."""
HANDS = 4
"""Batches that small experts are asked about side by side: faces are read no faster."""
NANO = "nano"


@dataclass(frozen=True, slots=True)
class Panel:
    """The experts that are here, under their names, and why the others are not."""

    experts: Mapping[str, Expert]
    tables: Mapping[str, ExpertTable]
    absent: Mapping[str, TmError]
    wanted: Mapping[str, ExpertTable]
    """Everybody who was asked for."""

    @classmethod
    def of(
        cls,
        tables: Sequence[ExpertTable],
        device: torch.device,
        loaded: Mapping[str, Expert] | None = None,
    ) -> "Panel":
        """Load whoever can be loaded; WeightsError, with every reason, where nobody can.

        loaded: who is here already, by name.
        """
        experts: dict[str, Expert] = {}
        absent: dict[str, TmError] = {}
        for table in tables:
            try:
                here = loaded.get(table.name) if loaded is not None else None
                experts[table.name] = here if here is not None else table.load(device)
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
        """Of everybody's weights, by name."""
        return {name: expert.digest for name, expert in self.experts.items()}

    @property
    def small(self) -> bool:
        """Whether one batch leaves cores idle, whoever is asked."""
        return all(table.small for table in self.tables.values())

    def missed(self, faces: Mapping[Domain, int]) -> list[str]:
        """Who is absent and would have been asked, by how many faces of each domain there are."""
        return [name for name in self.absent if faces.get(self.wanted[name].domain, 0)]

    def of_domain(self, domain: Domain) -> list[str]:
        """Who is asked about such pictures."""
        return [name for name, table in self.tables.items() if table.domain == domain]


class DomainSorter:
    """Tells drawn portraits from photographs: the shipped encoder is at home with the former."""

    def __init__(self, always: Domain | None, device: torch.device) -> None:
        self.always: Domain | None = always
        if always is not None:
            return
        checkpoint = read_checkpoint(find_weights(NANO))
        encoder = NanoEncoder.from_state(checkpoint.part("pretrained_encoder"))
        self.encoder, self.limit = (
            frozen(encoder).to(device),
            TrainingDomain.of(checkpoint).ood_threshold,
        )

    @torch.inference_mode()
    def sort(self, faces: Faces) -> list[Domain]:
        """The domain of each face."""
        if self.always is not None:
            return [self.always for _ in range(len(faces))]
        pictures = faces.at(self.encoder.spec.size).to(self.encoder.places.weight.device)
        strange = self.encoder.ood_score(pictures).tolist()
        limit = self.limit if self.limit is not None else np.inf
        found: list[Domain] = ["portraits" if one <= limit else "photos" for one in strange]
        return found


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """How votes are collected: what a changed setting makes anew."""

    panel: Panel
    sorter: DomainSorter
    reading: FaceReading
    aligned: bool
    batch: int
    workers: int
    hands: int = 1
    """Batches that are asked about side by side, each by its share of the cores."""
    compute: Compute = field(default_factory=partial(choose, "cpu"))
    """What the experts' networks run on, and in which number format."""

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other votes."""
        reading = None if self.aligned else self.reading.dump()
        told = {name: table.dump() for name, table in self.panel.tables.items()}
        asked = {"experts": self.panel.digests, "tables": told, "domain": self.sorter.always}
        asked["precision"] = str(self.compute.dtype)
        return settings_digest({**asked, "aligned": self.aligned, "reading": reading})


def collect(
    jobs: Sequence[Job], ballot: PredictionRequest, path: Path, progress: Progress
) -> dict[str, Row]:
    """Ask the experts about every picture that the ledger at `path` does not hold unchanged.

    Chunks keep their places in the whole list, so that a run that was interrupted asks about the
    same pictures together as one that was not, and gets the same last digits.
    """
    settings = ballot.settings
    names = {job.name for job in jobs}
    with Ledger(path, key=lambda row: row["id"]) as ledger:
        ledger.drop([name for name in ledger.rows if name not in names])
        chunks = [jobs[at : at + ballot.batch] for at in range(0, len(jobs), ballot.batch)]
        left = [
            chunk
            for chunk in chunks
            if not all(_stands(ledger.rows.get(job.name), job, settings) for job in chunk)
        ]
        bodies = any(table.bodies for table in ballot.panel.tables.values())
        with reported(progress, "Asking the experts", sum(map(len, left))):
            seen = seen_in_chunks(
                left,
                aligned=ballot.aligned,
                reading=ballot.reading,
                bodies=bodies,
                workers=ballot.workers,
            )
            for rows in _by_hands(seen, ballot):
                for row in rows:
                    ledger.add({**row, "settings": settings})
                    progress.advance(row["id"])
        return dict(ledger.rows)


def _by_hands(chunks: Iterator[list[Seen]], ballot: PredictionRequest) -> Iterator[list[Row]]:
    """The rows of each chunk, in order."""
    work = partial(asked, ballot=ballot)
    if ballot.hands == 1:
        yield from map(work, chunks)
        return
    threads = torch.get_num_threads()
    share = partial(torch.set_num_threads, max(threads // ballot.hands, 1))
    try:
        yield from in_threads(work, chunks, threads=ballot.hands, ahead=ballot.hands, prepare=share)
    finally:
        torch.set_num_threads(threads)  # it sets more than the thread that it is called in


def asked(seen: Sequence[Seen], ballot: PredictionRequest) -> list[Row]:
    """A row for every picture: its digest, its domain, and the votes of who knows that domain."""
    faces = [one for one in seen if one.face is not None]
    rows: dict[str, Row] = {
        one.job.name: {
            "id": one.job.name,
            "sha256": one.sha256,
            "status": one.status,
            "reason": one.reason,
            "domain": None,
            "votes": {},
        }
        for one in seen
    }
    if faces:
        pictures = Faces([one.face for one in faces if one.face is not None])
        domains = ballot.sorter.sort(pictures)
        for domain in sorted(set(domains)):
            here = [one for one, its in zip(faces, domains, strict=True) if its == domain]
            shown = (
                pictures
                if len(here) == len(faces)
                else Faces([one.face for one in here if one.face is not None])
            )
            shown.bodies = tuple(one.body for one in here)
            with ballot.compute.precision():
                _vote(here, shown, domain, ballot.panel, rows)
    return list(rows.values())


@torch.inference_mode()
def _vote(
    here: Sequence[Seen], faces: Faces, domain: Domain, panel: Panel, rows: dict[str, Row]
) -> None:
    for one in here:
        rows[one.job.name]["domain"] = domain
    for name in panel.of_domain(domain):
        told = panel.experts[name].answer(faces)
        parts = torch.stack([told.years, told.spread, told.confidence], dim=1).tolist()
        for one, vote in zip(here, parts, strict=True):
            if np.isfinite(vote).all():
                rows[one.job.name]["votes"][name] = [round(value, DIGITS) for value in vote]


def votes_of(rows: Sequence[Row], experts: Sequence[str]) -> Predictions:
    """The votes in rows of the ledger as arrays; who did not vote is NaN."""
    found = np.full((3, len(rows), len(experts)), np.nan)
    for row_at, row in enumerate(rows):
        for expert_at, name in enumerate(experts):
            if name in row["votes"]:
                found[:, row_at, expert_at] = row["votes"][name]
    return Predictions(tuple(experts), found[0], found[1], found[2])


def _stands(row: dict[str, Any] | None, job: Job, settings: str) -> bool:
    if row is None or row["settings"] != settings or row["sha256"] is None:
        return False
    try:
        return row["sha256"] == file_sha256(job.path)
    except OSError:  # it is gone: reading it again tells the reason
        return False
