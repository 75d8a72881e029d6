"""Names that recipes may use, mapped to the classes that implement them."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar, cast

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """The named classes of one package; every module in it is found by itself.

    >>> schedules = Registry("schedule", package="engine.schedules")
    >>> @schedules.register("flat")
    ... class Flat: ...
    >>> schedules["flat"] is Flat
    True
    >>> schedules.miss("falt")
    'unknown schedule `falt`, did you mean `flat`?'
    """

    def __init__(self, noun: str, *, package: str) -> None:
        self.noun = noun
        self.package = package
        self._classes: dict[str, type[T]] = {}
        self._scanned = False

    def register(self, kind: str) -> Callable[[C], C]:
        """Enter a class under `kind`; a second class of that name is a programming error."""

        def add(cls: C) -> C:
            if kind in self._classes:
                raise ValueError(f"{self.noun} {kind!r} is registered twice")
            self._classes[kind] = cast(type[T], cls)
            return cls

        return add

    def __getitem__(self, kind: str) -> type[T]:
        self._scan()
        return self._classes[kind]

    def __contains__(self, kind: object) -> bool:
        self._scan()
        return kind in self._classes

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted(self._classes))

    def miss(self, kind: str) -> str:
        """Say that `kind` is unknown, and what is known instead."""
        near = get_close_matches(kind, list(self), n=1)
        rest = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(self)}"
        return f"unknown {self.noun} `{kind}`, {rest}"

    def _scan(self) -> None:
        if self._scanned:
            return
        package = import_module(self.package)
        for name in sorted(found.name for found in iter_modules(package.__path__)):
            import_module(f"{self.package}.{name}")
        # Only now: a module that fails to import must fail again, not leave half a registry.
        self._scanned = True
