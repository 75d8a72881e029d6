"""Whether a bank holds impostors of the ages that trainings ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.banks.bank import FIRST, Bank, bin_name, bin_of
from engine.core.numbers import Span


@dataclass(frozen=True, slots=True)
class MinerNeed:
    """What the miner of a recipe takes: the network, the ages (all if None), impostors per face."""

    recipe: str
    embedder: str
    ages: Span | None
    k: int


def coverage_warnings(bank: Bank, needs: Sequence[MinerNeed]) -> list[str]:
    """Sentences on ages without a face between the bank's youngest and oldest, and on recipes.

    Only recipes that use the bank's own network are looked at.
    """
    warnings: list[str] = []
    if empty := empty_bins(bank):
        warnings.append(
            f"nobody in the bank is {_joined(empty)} years old: faces at those ages have impostors"
            " of other ages, or none"
        )
    for need in needs:
        if need.embedder != bank.embedder or need.ages is None:
            continue
        count = len(bank.within(need.ages.low, need.ages.high))
        if count < need.k:
            warnings.append(
                f"`{need.recipe}` takes {need.k} impostors of {need.ages} years for each face, and"
                f" the bank holds {count}"
            )
    return warnings


def empty_bins(bank: Bank) -> list[str]:
    """The bins without a face between the first and the last that have one, neighbours joined."""
    taken = set(bin_of(bank.ages, bank.bin_size).tolist())
    joined: list[list[int]] = []
    for number in range(min(taken), max(taken)):
        if number in taken:
            continue
        if joined and joined[-1][1] == number - 1:
            joined[-1][1] = number
        else:
            joined.append([number, number])
    size = bank.bin_size
    return [
        bin_name(first, size)
        if first == last
        else f"{max(FIRST + first * size, 0)}-{FIRST + (last + 1) * size - 1}"
        for first, last in joined
    ]


def _joined(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
