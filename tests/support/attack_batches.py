"""The batch verbs and three trainings, small enough to be broken off many times.

IN stands for a folder of drawn portraits, OUT for the place of the results, BANK for a file of
strangers' faces.
"""

from collections.abc import Iterator
from pathlib import Path

from engine.core.progress import Silence
from engine.prep.synth import SynthPlan, synthesise

BATCHES = {
    "synth": ("prep", "synth", "OUT", "--people", 4, "--ages", "20..60", "--per-person", 15,
              "--size", 192, "--workers", 1),
    "align": ("prep", "align", "IN", "OUT", "--size", 64, "--workers", 2),
    "filter": ("prep", "filter", "IN", "--out", "OUT", "--workers", 2),
    "enhance": ("enhance", "IN", "OUT", "--steps", "esrgan", "--no-guard", "--workers", 1),
    "relabel": ("relabel", "IN", "--out", "OUT/l.json", "--experts", "nano-age", "--workers", 1),
    "infer": ("infer", "IN", "--aligned", "--force", "--ages=30", "--out", "OUT"),
    "bank": ("bank", "build", "IN", "OUT/b.safetensors"),
}  # fmt: skip
# Every step is logged: a row is the mean since the last one, or since the run was taken up again.
COMMON = ("save_every=2", "log_every=1", "sample_every=4", "threads=1")
TRAININGS = {
    "identity": (
        *("--recipe", "nano/identity"),
        *("steps=12", "batch=8", "data.train.people=24", "data.train.scenes=4", "validate_every=6"),
        *("data.validation.people=6", "data.validation.scenes=2"),
    ),
    "two_stage": (
        *("--recipe", "nano/two_stage", "--photos", "IN", "--bank", "BANK"),
        *("phase.0.steps=3", "phase.1.steps=3", "batch=1", "validate_every=4"),
        *("validation.photos=2", "validation.targets=1"),
        *("loss.contrastive_id.weight=0.02", "loss.nearest_id.weight=0.2"),
    ),
    "landscape": (
        *("--recipe", "gan/tiny"),
        *("phase.0.steps=4", "phase.1.steps=4", "batch=4", "data.train.count=32"),
        *("data.validation.count=16", "validate_every=4"),
    ),
}


def training(name: str) -> tuple[str, ...]:
    """The arguments of a training into OUT."""
    return ("train", "--out", "OUT", *_with_set((*TRAININGS[name], *COMMON)))


def _with_set(words: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        if "=" in word:
            yield "--set"
        yield word


def drawn(folder: Path, people: int, per_person: int, seed: int) -> Path:
    """Draw portraits of 96 px into a folder, and return it."""
    plan = SynthPlan(folder, people=people, per_person=per_person, size=96, seed=seed)
    synthesise(plan, workers=1, progress=Silence())
    return folder
