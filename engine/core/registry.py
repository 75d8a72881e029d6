"""Registries of the classes that implement a name, filled by scanning a package."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Generic, TypeVar, cast

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """The named classes of one package; its modules are scanned.

    >>> schedules = Registry("schedule", package="engine.schedules")
    >>> @schedules.register("flat")
    ... class Flat: ...
    >>> schedules["flat"] is Flat
    True
    >>> schedules.miss("falt")
    'unknown schedule `falt`, did you mean `flat`?'
    """

    def __init__(self, noun: str, *, package: str, module: str | None = None) -> None:
        """Scan the modules of `package`, or those called `module` at any depth below it."""
        self.noun = noun
        self.package = package
        self.module = module
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
        return isinstance(kind, str) and kind in self._classes

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
        for name in self._modules():
            import_module(f"{self.package}.{name}")
        # Only now: a module that fails to import must fail again, not leave half a registry.
        self._scanned = True

    def _modules(self) -> list[str]:
        """Dotted names below the package, in a fixed order."""
        places = import_module(self.package).__path__
        if self.module is None:
            return sorted(entry.name for entry in iter_modules(places))
        files = [
            file.relative_to(place).with_suffix("")
            for place in places
            for file in Path(place).rglob(f"{self.module}.py")
        ]
        return sorted(".".join(file.parts) for file in files)
