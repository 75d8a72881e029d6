"""Registries of the classes that implement a name, filled by scanning a package."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Generic, TypeVar, cast

from engine.core.regular import read_text

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """The named classes of one package; its modules are scanned.

    A class that is asked for by name is looked for in the modules that register that name, so that
    no command imports every training; all are imported where names are listed or one is unknown.

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
        self._find(kind)
        return self._classes[kind]

    def __contains__(self, kind: object) -> bool:
        if not isinstance(kind, str):
            return False
        self._find(kind)
        return kind in self._classes

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted(self._classes))

    def miss(self, kind: str) -> str:
        """Say that `kind` is unknown, and what is known instead."""
        near = get_close_matches(kind, list(self), n=1)
        rest = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(self)}"
        return f"unknown {self.noun} `{kind}`, {rest}"

    def _find(self, kind: str) -> None:
        if kind in self._classes:
            return
        registers = re.compile(rf"\.register\(\s*[\"']{re.escape(kind)}[\"']")
        for name, source in self._modules().items():
            if registers.search(read_text(source)):
                import_module(f"{self.package}.{name}")
        if kind not in self._classes:
            self._scan()

    def _scan(self) -> None:
        if self._scanned:
            return
        for name in self._modules():
            import_module(f"{self.package}.{name}")
        # Only now: a module that fails to import must fail again, not leave half a registry.
        self._scanned = True

    def _modules(self) -> dict[str, Path]:
        """Source files by dotted name below the package, in a fixed order."""
        places = [Path(place) for place in import_module(self.package).__path__]
        found: dict[str, Path] = {}
        for place in places:
            if self.module is None:
                names = [entry.name for entry in iter_modules([str(place)])]
                files = [place / name / "__init__.py" for name in names if (place / name).is_dir()]
                files += [place / f"{name}.py" for name in names if not (place / name).is_dir()]
            else:
                files = list(place.rglob(f"{self.module}.py"))
            for file in files:
                parts = file.relative_to(place).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = file
        return dict(sorted(found.items()))
