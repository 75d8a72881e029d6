"""The most similar faces of an age, by FAISS: one index for each age bin of a bank."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.banks.bank import bin_of
from engine.miners.age_rows import AgeRows, Rows

FROM = 200_000
"""Rows of a bank from which a search looks at a part of each bin only."""
WHOLE = 4_096
"""Bins of fewer rows are always searched as a whole."""
LISTS_PER_ROOT, PROBED = 2, 48
"""Cells of a bin, in square roots of its rows, and how many of them a search looks into."""
SPARE = 64
"""Faces that are looked for beyond those that are needed: some are of the same person."""
SAMPLES, ROUNDS, SEED = 48, 8, 0
"""Rows a cell, rounds and seed of the k-means that places the cells."""


class Pool(NamedTuple):
    """Candidates of each face: cosines (b, p), largest first within a bin and -inf in the padding,
    and their rows (b, p) in the age rows.
    """

    cosines: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class AgeIndex:
    """The age rows with an index of each bin: flat, or cells (IVF) where the bank is large.

    bins: by number of the age bin, its rows and its index.
    """

    rows: AgeRows
    bins: dict[int, tuple[range, Any]]

    @classmethod
    def of(cls, rows: AgeRows) -> "AgeIndex":
        """Index rows on the processor; minutes for a million. The same rows give the same index."""
        numbers = bin_of(rows.ages, rows.bin_size).numpy()
        kinds, starts, counts = np.unique(numbers, return_index=True, return_counts=True)
        bins: dict[int, tuple[range, Any]] = {}
        for number, start, count in zip(kinds, starts, counts, strict=True):
            span = range(int(start), int(start + count))
            cells = len(rows) >= FROM and count >= WHOLE
            bins[int(number)] = span, _index(rows.embeddings, span) if cells else None
        return cls(rows, bins)

    def search(self, anchors: Tensor, within: Rows, most: int, high: float) -> Pool:
        """Of every bin that each range of rows reaches, the `most` most similar up to `high`.

        Those above `high`, of the same person, come on top of them.
        """
        wanted = [
            [n for n, (span, _) in self.bins.items() if span.start < end and span.stop > start]
            for start, end in zip(within.start.tolist(), within.end.tolist(), strict=True)
        ]
        columns: list[list[tuple[Tensor, Tensor]]] = [[] for _ in wanted]
        for number in {one for own in wanted for one in own}:
            faces = [face for face, own in enumerate(wanted) if number in own]
            cosines, places = self._of_bin(number, anchors[faces], most, high)
            for face, *column in zip(faces, cosines, places, strict=True):
                columns[face].append((column[0], column[1]))
        width = max((sum(len(c) for c, _ in own) for own in columns), default=0)
        pool = Pool(
            torch.full((len(wanted), width), -torch.inf), torch.zeros(len(wanted), width).long()
        )
        for face, own in enumerate(columns):
            at = 0
            for cosines, places in own:
                pool.cosines[face, at : at + len(cosines)] = cosines
                pool.places[face, at : at + len(cosines)] = places
                at += len(cosines)
        return pool

    def _of_bin(
        self, number: int, anchors: Tensor, most: int, high: float
    ) -> tuple[Tensor, Tensor]:
        span, index = self.bins[number]
        asked = most + SPARE
        while True:
            count = min(asked, len(span))
            if index is None:
                cosines, places = (anchors @ self.rows.embeddings[span.start : span.stop].T).topk(
                    count, dim=1
                )
            else:
                similarity, rows = index.search(anchors.contiguous().numpy(), count)
                cosines, places = torch.from_numpy(similarity), torch.from_numpy(rows)
                cosines = cosines.masked_fill(places < 0, -torch.inf)
            if count == len(span) or bool(((cosines <= high).sum(dim=1) >= most).all()):
                return cosines, places.clamp(min=0) + span.start
            asked *= 2


def _index(embeddings: Tensor, span: range) -> Any:
    """Cells of a bin; its numbers in half precision, which moves a cosine by a thousandth."""
    import faiss

    width = embeddings.shape[1]
    rows = embeddings[span.start : span.stop].contiguous().numpy()
    lists = int(LISTS_PER_ROOT * len(span) ** 0.5)
    quantizer = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.min_points_per_centroid = 1
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = ROUNDS, SEED, SAMPLES
    index.train(rows)  # pyright: ignore[reportCallIssue]
    index.add(rows)  # pyright: ignore[reportCallIssue]
    index.nprobe = min(PROBED, lists)
    return index
