"""Build a bank of a folder of aligned pictures with ages; resumable, bad pictures are skipped."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.banks.bank import BIN, Bank, sorted_bank
from engine.banks.faces import NO_AGE, Face, by_size, faces_in, read_portrait
from engine.banks.files import require_suffix, save_bank
from engine.banks.rows import SUFFIX, EmbeddingRows, holds_rows
from engine.core.batch import PROCESS_DIED, fault_row
from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.ledger import Ledger
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.core.regular import printable
from engine.core.single import made_by_tm
from engine.data.ages import AgeSource
from engine.data.manifest import seen_from
from engine.nets.protocols import AgeEstimator, IdentityNetwork
from engine.runtime.memory import in_batches
from engine.runtime.pool import PICTURE_LIMIT, in_processes, is_elsewhere

BATCH = 32

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BankPlan:
    """Input folder, output file and settings of a bank."""

    source: Path
    out: Path
    bin_size: int = BIN
    ages: AgeSource = AgeSource()
    batch: int = BATCH

    def __post_init__(self) -> None:
        require_suffix(self.out)
        if self.bin_size < 1:
            raise UsageError(f"a bin is at least a year wide, not {self.bin_size}")

    @property
    def ledger(self) -> Path:
        """The status of every picture, by the SHA-256 of its content."""
        return self.out.with_name(f"{self.out.stem}.ledger.jsonl")

    @property
    def rows(self) -> Path:
        """The embeddings that the rows of the ledger number."""
        return self.out.with_name(f"{self.out.stem}{SUFFIX}")


@dataclass(frozen=True, slots=True)
class BankReport:
    """The bank; pictures embedded in this run, embedded before, duplicated, and left out."""

    bank: Bank
    fresh: int
    kept: int
    copies: int
    left_out: tuple[tuple[str, str], ...]
    """Names of pictures with the reason."""

    @property
    def reasons(self) -> Counter[str]:
        """The count of each reason."""
        return Counter(reason for _, reason in self.left_out)


def build_bank(
    plan: BankPlan,
    identity_net: IdentityNetwork,
    progress: Progress,
    *,
    device: torch.device,
    age_estimator: AgeEstimator | None = None,
) -> BankReport:
    """Embed what the ledger does not hold yet, then write the bank.

    age_estimator: for pictures without an age, which are left out without it. InputError if no
    picture is usable; a killed run continues where it stopped.
    """
    faces = faces_in(plan.source, plan.ages)
    pictures, out = [face.path for face in faces], plan.out
    with (
        locked(out.parent, guarded=True, inputs=pictures, name=out.name) as held,
        Ledger(plan.ledger, key=lambda row: row["sha256"]) as ledger,
    ):
        if held.is_new and (ledger.rows or made_by_tm(out)):
            held.adopt([out.name])
            if plan.rows.is_file() and holds_rows(plan.rows):
                held.adopt([plan.rows.name])
        held.require_own(out.name, plan.rows.name)
        held.adopt([plan.rows.name])
        work = _Embedding(identity_net, age_estimator, device)
        with EmbeddingRows.of(plan.rows, identity_net.digest, identity_net.width) as embeddings:
            return _built(plan, faces, work, ledger, embeddings, progress)


def _built(
    plan: BankPlan,
    faces: Sequence[Face],
    work: "_Embedding",
    ledger: Ledger,
    embeddings: EmbeddingRows,
    progress: Progress,
) -> BankReport:
    left_out: list[tuple[str, str]] = []
    rows: list[tuple[Face, Row]] = []
    unique, digests = list[tuple[Face, str]](), set[str]()
    copies = 0
    for face in faces:
        if face.age is None and work.age_estimator is None:
            left_out.append((printable(face.path.name), NO_AGE))
            continue
        try:
            digest = file_sha256(face.path)
        except OSError as error:
            left_out.append((printable(face.path.name), str(fault_row(error)["reason"])))
            continue
        copies += digest in digests
        if digest not in digests:
            unique.append((face, digest))
        digests.add(digest)
    missing = [
        one for one in unique if not work.is_done(one, ledger.rows.get(one[1]), embeddings.count)
    ]
    with reported(progress, "Embedding", len(missing)):
        embed = _embedded_elsewhere if is_elsewhere() else _embedded_here
        for row in embed(work, missing, plan.batch, progress):
            if (embedding := row.pop("embedding", None)) is not None:
                row["row"] = embeddings.append(embedding)
            ledger.add(row)
            progress.advance(row["source"])
    for face, digest in unique:
        row = ledger.rows[digest]
        if row["status"] == "done":
            rows.append((face, row))
        else:
            left_out.append((printable(face.path.name), row["reason"]))
    if not rows:
        reasons = "; ".join(sorted({reason for _, reason in left_out}))
        raise InputError(f"no picture of `{plan.source}` is usable: {reasons}")
    bank = _assembled(plan, work, rows, embeddings)
    save_bank(plan.out, bank)
    return BankReport(bank, len(missing), len(unique) - len(missing), copies, tuple(left_out))


def _embedded_here(
    work: "_Embedding", missing: Sequence[tuple[Face, str]], batch: int, progress: Progress
) -> Iterator[Row]:
    return in_batches(
        work,
        missing,
        batch=batch,
        shrunk=lambda size: progress.remark(f"memory ran out: {size} pictures at once now"),
    )


def _embedded_elsewhere(
    work: "_Embedding", missing: Sequence[tuple[Face, str]], batch: int, progress: Progress
) -> Iterator[Row]:
    """The rows in the order of the pictures, however the workers of a cluster end."""
    places = {digest: place for place, (_, digest) in enumerate(missing)}
    ready: dict[int, Row] = {}
    expected = 0
    for row in _as_they_end(work, missing, batch):
        ready[places[row["sha256"]]] = row
        while expected in ready:
            yield ready.pop(expected)
            expected += 1


def _as_they_end(
    work: "_Embedding", missing: Sequence[tuple[Face, str]], batch: int
) -> Iterator[Row]:
    """Batch by batch on the workers of a cluster; where one dies of a batch, picture by picture."""
    batches = [missing[at : at + batch] for at in range(0, len(missing), batch)]
    lost: list[tuple[Face, str]] = []
    for outcome in in_processes(work, batches, workers=1, limit=PICTURE_LIMIT):
        if outcome.result is None:
            lost += outcome.item
        else:
            yield from outcome.result
    for outcome in in_processes(work, [[one] for one in lost], workers=1, limit=PICTURE_LIMIT):
        failed = fault_row(PictureError(PROCESS_DIED))
        yield from outcome.result or [work.begun(one) | failed for one in outcome.item]


@dataclass(frozen=True, slots=True)
class _Embedding:
    """Pictures to rows of the ledger."""

    identity_net: IdentityNetwork
    age_estimator: AgeEstimator | None
    device: torch.device

    def is_done(self, one: tuple[Face, str], row: Row | None, count: int) -> bool:
        """Whether a row of an earlier run is valid, given `count` embeddings; failures are tried
        again.
        """
        if row is None or row["status"] != "done" or row["embedder"] != self.identity_net.digest:
            return False
        number = row.get("row")
        if "embedding" not in row and not (isinstance(number, int) and 0 <= number < count):
            return False
        return one[0].age is not None or row["age_by"] == self.age_by

    @property
    def age_by(self) -> str | None:
        return self.age_estimator.name if self.age_estimator is not None else None

    def begun(self, one: tuple[Face, str]) -> Row:
        """What a row holds whatever comes of the picture."""
        face, digest = one
        source = printable(face.path.name)
        return {"sha256": digest, "source": source, "embedder": self.identity_net.digest}

    @torch.inference_mode()
    def __call__(self, batch: Sequence[tuple[Face, str]]) -> list[Row]:
        rows: list[Row] = []
        portraits: dict[int, Tensor] = {}
        for index, (face, digest) in enumerate(batch):
            row = self.begun((face, digest))
            try:
                portraits[index] = read_portrait(face.path)
            except PictureError as error:
                row |= {"status": error.status, "reason": error.reason}
            rows.append(row)
        pictures = list(portraits.values())
        embeddings = list(by_size(pictures, self.identity_net.embed, self.device))
        years: list[float | None] = [None] * len(pictures)
        if self.age_estimator is not None:
            years = [float(age) for age in by_size(pictures, self.age_estimator.years, self.device)]
        for index, embedding, age in zip(portraits, embeddings, years, strict=True):
            rows[index] |= _embedded(embedding) | {"age": age, "age_by": self.age_by}
        return rows


def _embedded(embedding: Tensor) -> Row:
    if not bool(embedding.isfinite().all()):
        return {"status": "failed", "reason": "its embedding is not a number"}
    return {"status": "done", "reason": None, "embedding": embedding.numpy()}


def _assembled(
    plan: BankPlan,
    work: "_Embedding",
    rows: Sequence[tuple[Face, Row]],
    kept: EmbeddingRows,
) -> Bank:
    identity_net, age_estimator = work.identity_net, work.age_estimator
    numbered = [index for index, (_, row) in enumerate(rows) if "embedding" not in row]
    matrix = np.empty((len(rows), kept.width), np.float32)
    matrix[numbered] = kept.read([rows[index][1]["row"] for index in numbered])
    for index, (_, row) in enumerate(rows):
        if "embedding" in row:  # as earlier versions kept it
            matrix[index] = np.frombuffer(base64.b64decode(row["embedding"]), "<f4")
    embeddings = torch.from_numpy(matrix)
    ages = [face.age if face.age is not None else float(row["age"]) for face, row in rows]
    people = sorted({face.person for face, _ in rows if face.person is not None})
    estimated = sum(face.age is None for face, _ in rows)
    facts: dict[str, Any] = {"people": people}
    if age_estimator is not None:
        facts |= {"ages_read": estimated, "age_by": age_estimator.name}
    return sorted_bank(
        embeddings,
        torch.tensor(ages),
        tuple(seen_from(plan.out.parent, face.path) for face, _ in rows),
        embedder=identity_net.name,
        digest=identity_net.digest,
        bin_size=plan.bin_size,
        facts=facts,
    )


def count_faces(plan: BankPlan) -> tuple[int, int]:
    """The number of usable pictures, and of those without an age; writes nothing."""
    faces = faces_in(plan.source, plan.ages)
    return len(faces), sum(face.age is None for face in faces)
