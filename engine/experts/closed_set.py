"""The probability of each of a closed set of answers under a language model, token by token."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Continue = Callable[[Sequence[int]], Tensor]
"""Log-probabilities (b, vocabulary) of the next token behind the prompt and a prefix."""


@dataclass(slots=True)
class Node:
    """A prefix of answers: its continuations, and the answer that may end here."""

    children: dict[int, "Node"] = field(default_factory=dict[int, "Node"])
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class ClosedSet:
    """A trie of answers by their tokens; an answer may have several spellings.

    At a prefix that is an answer and the beginning of others, the answer has the probability that
    the others leave.
    """

    root: Node
    count: int

    @classmethod
    def of(cls, spellings: Mapping[int, Sequence[Sequence[int]]]) -> "ClosedSet":
        """From the token sequences of answers 0, 1, ...; two answers never share a sequence."""
        root = Node()
        for answer, sequences in spellings.items():
            for tokens in sequences:
                node = root
                for token in tokens:
                    node = node.children.setdefault(token, Node())
                if not tokens or node.ends not in (None, answer):
                    raise ValueError(f"answer {answer} has the tokens of another one, or none")
                node.ends = answer
        return cls(root, len(spellings))

    @property
    def steps(self) -> int:
        """Calls of the model: one for each prefix with a continuation."""
        return _inner(self.root)

    def probabilities(self, following: Continue) -> Tensor:
        """(b, answers + 1) that sum to 1: each answer, and last everything else.

        `following` is called depth first, once for each prefix, right after its parent or a
        descendant of it: a model with a cache may crop it.
        """
        total: Tensor | None = None
        stack: list[tuple[tuple[int, ...], Node, Tensor | None]] = [((), self.root, None)]
        while stack:
            prefix, node, reached = stack.pop()
            if not node.children:
                assert total is not None
                assert reached is not None
                total[:, _column(node.ends, self.count)] += reached
                continue
            shares = following(prefix).double().exp()
            if total is None:
                total = shares.new_zeros(len(shares), self.count + 1)
            if reached is None:
                reached = shares.new_ones(len(shares))
            tokens = list(node.children)
            onward = shares[:, tokens]
            total[:, _column(node.ends, self.count)] += reached * (1 - onward.sum(1)).clamp(min=0)
            for token, share in zip(reversed(tokens), onward.T.flip(0), strict=True):
                stack.append(((*prefix, token), node.children[token], reached * share))
        assert total is not None
        return total / total.sum(dim=1, keepdim=True)


def probabilities_reference(closed: ClosedSet, following: Continue) -> Tensor:
    """The definition of `probabilities`, by recursion over the prefixes."""
    first = following(())
    total = torch.zeros(len(first), closed.count + 1, dtype=torch.float64)

    def walk(node: Node, prefix: tuple[int, ...], reached: Tensor) -> None:
        if not node.children:
            total[:, _column(node.ends, closed.count)] += reached
            return
        shares = following(prefix).double().exp()
        rest = torch.ones(len(shares), dtype=torch.float64)
        for token, child in node.children.items():
            walk(child, (*prefix, token), reached * shares[:, token])
            rest -= shares[:, token]
        total[:, _column(node.ends, closed.count)] += reached * rest

    walk(closed.root, (), torch.ones(len(first), dtype=torch.float64))
    return total


def _column(answer: int | None, count: int) -> int:
    return count if answer is None else answer


def _inner(node: Node) -> int:
    below = sum(_inner(child) for child in node.children.values())
    return below + bool(node.children)
