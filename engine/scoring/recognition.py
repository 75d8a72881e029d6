"""Are portraits taken for their person: against strangers, and beside the person's real photos."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from engine.evaluators.suite import IdentityJudge, Vectors
from engine.metrics.verification import auc, verification_rate
from engine.scoring.rows import References, Row
from engine.scoring.summary import GAPS

FAR = 1e-3
FEWEST = 20
NO_STRANGERS = "no pictures of other people were given"


def verified(
    closeness: Sequence[float], own: Vectors, strangers: Vectors | None, judge: IdentityJudge
) -> dict[str, Any]:
    """The share of portraits nearer to their person than all but 1 in 1000 strangers are to them.

    closeness: of each portrait to its reference (n,); own: the portraits (n, d); strangers (m, d).
    With fewer than 1000 pairs no stranger may pass.
    """
    if strangers is None:
        return {"rate": None, "why_null": NO_STRANGERS}
    pairs = len(own) * len(strangers)
    if pairs < FEWEST:
        return {"rate": None, "why_null": f"{pairs} pairs with other people are too few"}
    different = [judge.closeness(np.broadcast_to(one, strangers.shape), strangers) for one in own]
    apart = np.concatenate(different)
    return {
        "rate": verification_rate(closeness, apart, far=FAR),
        "false_accept_rate": FAR,
        "auc": auc(closeness, apart),
        "stranger_pairs": pairs,
    }


def real_pairs(references: References, judge: IdentityJudge) -> dict[str, Any] | None:
    """How alike the judge finds real photos of the person, in all and by the years between them.

    No portrait can be asked to be more like its person than two photos are; None without two.
    """
    photos, seen = references.material.photos, references.photos
    if photos is None or seen is None or len(photos.ages) < 2:
        return None
    vectors = seen.vectors[judge.name]
    one, other = np.triu_indices(len(vectors), 1)
    close = judge.closeness(vectors[one], vectors[other])
    gaps = np.abs(photos.ages[one] - photos.ages[other])
    middle = (photos.ages[one] + photos.ages[other]) / 2
    people = {source.person for source in references.material.sources.values()}
    person = people.pop() if len(people) == 1 else None
    alike = np.array(
        [judge.identity(float(c), person, float(a)) for c, a in zip(close, middle, strict=True)]
    )
    rows: list[Row] = []
    for low, high in pairwise(GAPS):
        here = (gaps >= low) & (gaps < high)
        if here.any():
            mean = float(gaps[here].mean())
            rows.append(
                {
                    "from": low,
                    "to": high,
                    "mean_gap": mean,
                    "pairs": int(here.sum()),
                    "identity": float(alike[here].mean()),
                    "same": float((close[here] >= judge.limit).mean()),
                }
            )
    return {"identity": float(alike.mean()), "pairs": len(alike), "by_gap": rows}
