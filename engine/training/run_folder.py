"""The folder of a run: recipe, command, environment, and all results."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field, TypeAdapter, ValidationError

from engine.core.atomic import write_json, write_text
from engine.core.errors import UsageError
from engine.core.jsontext import from_json
from engine.core.lock import locked
from engine.core.regular import open_regular
from engine.runtime.pool import cores

RECIPE, COMMAND, ENVIRONMENT = "recipe.toml", "command.txt", "environment.json"
CHECKPOINTS, SAMPLES = "checkpoints", "samples"
PERSONAL = "personal.txt"
PERSONAL_FILES = """This run learned from photographs. Personal data of the people in them lie in

  checkpoints/   weights that draw them or describe their faces
  samples/       pictures of them
  eval/          held-out photographs and portraits, once `tm eval` was here
  recipe.toml, command.txt, environment.json   where the photographs lie, and their digests

metrics.jsonl, tensorboard/ and curves.svg hold numbers alone. `tm weights export` writes a file
without folders and photographs, and says what of it identifies a person.
"""
OF_MACHINE = {"device", "recompute", "threads", "timeout", "workers"}
"""Keys of a recipe that may change from one machine to the next."""
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "lightning-fabric")


FIRST_WORLD = "1"
"""Version of the drawn worlds of runs that do not say it."""
Positive = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a run was started; resuming it elsewhere may change its last bits.

    weights: SHA-256 of every weights file that went into it, by role; recipe: its keys, flat;
    worlds: the versions of the drawn worlds that it renders, None of a tm that knew one of each.
    """

    tm: str
    python: str
    platform: str
    packages: Mapping[str, str]
    device: str
    devices: Positive
    precision: str
    threads: Positive
    cores: Positive
    git: str | None
    weights: Mapping[str, str]
    started: str
    recipe: Mapping[str, str] | None = None
    worlds: Mapping[str, str] | None = None

    @classmethod
    def now(
        cls,
        *,
        device: str,
        devices: int,
        precision: str,
        threads: int,
        weights: Mapping[str, str],
        recipe: Mapping[str, Any],
        worlds: Mapping[str, str],
    ) -> "Environment":
        """The environment of this process."""
        return cls(
            tm=version("tm-toolkit"),
            python=platform.python_version(),
            platform=platform.platform(),
            packages={name: version(name) for name in PACKAGES},
            device=device,
            devices=devices,
            precision=precision,
            threads=threads,
            cores=cores(),
            git=_revision(),
            weights=dict(weights),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            recipe=flat(recipe),
            worlds=dict(worlds),
        )

    def world(self, name: str) -> str:
        """The version of a drawn world in this run."""
        return (self.worlds or {}).get(name, FIRST_WORLD)

    def require_worlds(self, worlds: Mapping[str, str], folder: Path) -> None:
        """UsageError if a run learned from another version of a drawn world than these."""
        for name, version_now in worlds.items():
            if (before := self.world(name)) != version_now:
                raise UsageError(
                    f"`{folder}` learned from version {before} of the drawn {name}, and this is "
                    f"version {version_now}",
                    hint="train it again, or use it with the tm that began it",
                )

    def differs(self, other: "Environment") -> list[str]:
        """The differences to another environment that may change a run's last bits."""
        mine, theirs = asdict(self), asdict(other)
        relevant = ("tm", "python", "platform", "packages", "device", "devices", "threads")
        return [
            f"{name} was {mine[name]}, is {theirs[name]}"
            for name in relevant
            if mine[name] != theirs[name]
        ]

    def edits_of(self, recipe: Mapping[str, Any], written: Mapping[str, Any]) -> list[str]:
        """The keys of a recipe that were edited since, but for those of the machine.

        written: what its file holds: a key with a default that an older tm did not know is no edit.
        """
        if self.recipe is None:
            return []
        before, known = self.recipe, {*self.recipe, *flat(written)}
        now = {key: value for key, value in flat(recipe).items() if key in known}
        return [
            f"`{key}` was {before.get(key, 'not there')}, is {now.get(key, 'not there')}"
            for key in sorted({*before, *now} - OF_MACHINE)
            if before.get(key) != now.get(key)
        ]


def flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """The values of a nested table as text, by their dotted keys.

    >>> flat({"batch": 8, "phase": [{"steps": 9}]})
    {'batch': '8', 'phase.0.steps': '9'}
    """
    found: dict[str, str] = {}
    for key, value in table.items():
        name, inner = f"{before}{key}", cast("Any", value)
        if isinstance(inner, list | tuple):
            inner = {str(index): one for index, one in enumerate(cast("list[Any]", inner))}
        if isinstance(inner, Mapping):
            found |= flat(cast("Mapping[str, Any]", inner), f"{name}.")
        else:
            found[name] = str(inner)
    return found


ENVIRONMENTS = TypeAdapter(Environment)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run, by name."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """`step_{N}` for the last few, and `best`."""
        return self.path / CHECKPOINTS

    def sample(self, step: int) -> Path:
        """The file of a step's sample sheet."""
        return self.path / SAMPLES / f"step_{step:06d}.png"

    def environment(self) -> Environment:
        """Where the run was started; UsageError if the folder holds no run."""
        try:
            with open_regular(self.path / ENVIRONMENT) as file:
                return ENVIRONMENTS.validate_python(from_json(file.read()))
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(
                f"`{self.path}` holds no run", hint="give the folder of a training"
            ) from None
        except ValidationError as error:
            fault = error.errors()[0]
            reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        except (OSError, ValueError) as error:
            reason = str(error)
        raise UsageError(f"the file `{ENVIRONMENT}` of `{self.path}` is damaged: {reason}")


def describe(folder: Path, recipe_toml: str, environment: Environment) -> None:
    """Write recipe, command and, last, the environment, which marks the folder as a run."""
    write_text(folder / RECIPE, recipe_toml)
    write_text(folder / COMMAND, shlex.join(["tm", *sys.argv[1:]]) + "\n")
    write_json(folder / ENVIRONMENT, asdict(environment))


def mark_personal(folder: Path) -> None:
    """Say which files of a run hold personal data, and keep all of them out of git."""
    write_text(folder / PERSONAL, PERSONAL_FILES)
    write_text(folder / ".gitignore", "*\n")


def holds_run(folder: Path) -> bool:
    """Whether a run was started in the folder."""
    return (folder / ENVIRONMENT).is_file()


def fresh_folder(parent: Path, name: str) -> Path:
    """A folder for a new run below `parent`: the name, or the name with the next free number."""
    taken = {path.name for path in parent.glob(f"{name}*")} if parent.is_dir() else set[str]()
    if name not in taken:
        return parent / name
    number = next(n for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)
    return parent / f"{name}-{number}"


@contextmanager
def locked_run(folder: Path, *, by_first: bool) -> Generator[RunFolder]:
    """The run folder, locked by the first process; UsageError names the process that holds it."""
    if not by_first:
        yield RunFolder(folder)
        return
    with locked(folder):
        yield RunFolder(folder)


def _revision() -> str | None:
    """The git revision of a checkout we run from; None for an installed package."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        result = subprocess.run(
            ["git", "-C", os.fspath(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no commit
        return None
    return result.stdout.strip()
