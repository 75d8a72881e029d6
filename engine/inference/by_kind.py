"""The model for each photo by what it shows: a drawn portrait, or a photograph."""

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.core.ledger import Row
from engine.data.domains import Domain
from engine.inference.folder import Method
from engine.inference.kind import kind_of
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject


class MethodByKind:
    """Sends each photo to the method of its domain, which is made when it is first needed."""

    def __init__(self, makers: Mapping[Domain, Callable[[], Method]]) -> None:
        self.makers = makers
        self._made: dict[Domain, Method] = {}

    def rows(self, subject: Subject, stem: Path, plan: InferPlan) -> list[Row]:
        """Write the outputs of one photo by the method for its kind."""
        domain = kind_of(subject)
        if domain not in self._made:
            self._made[domain] = self.makers[domain]()
        return self._made[domain].rows(subject, stem, plan)
