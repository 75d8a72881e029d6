"""Speed of `tm relabel`: all experts together against one after the other, picture by picture.

Together is the command's own path: every picture read once, batches, both ledger and labels
written. One by one is how the AgeTransformer repository does it: expert after expert, one picture
at a time, each reading every file itself; it writes nothing. Loading the weights is in neither.
The methods alternate; one by one is timed with all of torch's threads and with one, since threads
slow each other down where other work shares the cores.

    python benchmarks/relabel_speed.py [--faces 192] [--one-by-one 48] [--rounds 5] [--published]
        [--precision bfloat16] [--photos DIR] [--experts age-cc0,face-api,faceres]

`--photos` measures the small experts on the photographs of a folder, where faces are found first:
once for all together (starting its worker processes counts), by each for itself one by one.
`--published` measures MiVOLO, ResNet-50 and VGG-16 in their published sizes instead, with random
weights in files of their kinds. `--precision` is that of the experts together; one by one is always
float32.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import torch

from engine.app.relabel import RelabelRequest, plan_relabel
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.experts.base import Faces
from engine.images.reading import find_pictures, read_picture
from engine.images.saving import save_png
from engine.nets.age.dex_vgg import Dex
from engine.relabel.faces import detect_face
from engine.relabel.recipe import load_relabel
from engine.relabel.run import PREDICTIONS, RelabelPlan, files_folder, run_plan
from engine.relabel.source import Job

FIRST = 905_000
NANO = ("nano-age", "nano-ordinal", "nano-tokens")
PUBLISHED = ("mivolo", "resnet50", "vgg16")
PHOTOS = ("age-cc0", "face-api", "faceres")


@dataclass(slots=True)
class Timing:
    """Wall and CPU seconds per face, by round."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    def time(self, work: Callable[[], object], faces: int) -> None:
        """Run it once and record the time per face."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        work()
        self.wall.append((time.perf_counter() - wall) / faces)
        self.cpu.append((_cpu_seconds() - cpu) / faces)

    def summary(self) -> dict[str, float]:
        """Faces a second, and milliseconds of all cores a face: medians over the rounds."""
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return {"faces_a_second": round(1 / wall, 1), "cpu_ms_a_face": round(cpu * 1e3, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--faces", type=int, default=192)
    parser.add_argument("--one-by-one", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--experts", default=",".join(PHOTOS), help="on photographs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(spare)
        if given.photos is not None:
            print(json.dumps(timed_photos(given, folder), indent=2))
            return
        files = drawn(folder / "faces", given.faces)
        names = PUBLISHED if given.published else NANO
        settings = published_files(folder / "weights") if given.published else []
        request = RelabelRequest(
            source=folder / "faces",
            out=folder / "labels.json",
            experts=names,
            aligned=True,
            settings=[*settings, f"precision='{given.precision}'"],
            device="cpu",
        )
        result = {"precision": given.precision}
        result |= timed(plan_relabel(request), files, given.one_by_one, given.rounds)
    print(json.dumps(result, indent=2))


def timed_photos(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The small experts on the first photographs of a folder."""
    chosen = find_pictures(given.photos).pictures[: given.faces]
    files = [folder / "photos" / file.name for file in chosen]
    files[0].parent.mkdir()
    for file, source in zip(files, chosen, strict=True):
        file.write_bytes(source.read_bytes())
    settings = ["domain='photos'", "faces.pictures='photos'"]
    request = RelabelRequest(
        source=files[0].parent,
        out=folder / "labels.json",
        experts=given.experts.split(","),
        settings=[*settings, f"precision='{given.precision}'"],
        device="cpu",
    )
    plan = plan_relabel(request)
    result = {"precision": given.precision, "absent": list(plan.ensemble.absent)}
    return result | timed(plan, files, given.one_by_one, given.rounds)


def drawn(folder: Path, faces: int) -> list[Path]:
    """Drawn faces of 128 px as files."""
    portraits = rendered(PortraitPlan(first=FIRST, people=faces, scenes=1, ages=1), Silence())
    files = [folder / f"{person:06d}.png" for person in portraits.people.tolist()]
    for file, pixels in zip(files, portraits.pictures, strict=True):
        save_png(file, np.asarray(pixels), {"made": "rendered"})
    return files


def published_files(folder: Path) -> list[str]:
    """Random weights of the published shapes in files of their kinds, as settings of the recipe."""
    from torchvision.models import resnet50

    from engine.nets.age.mivolo import MiVolo, MiVoloSpec

    folder.mkdir()
    torch.manual_seed(0)
    scale = {"min_age": 1, "max_age": 95, "avg_age": 48}
    mivolo = MiVolo(MiVoloSpec(with_body=False)).state_dict()
    torch.save({"state_dict": mivolo, **scale}, folder / "mivolo.pth")
    torch.save(resnet50(num_classes=101).state_dict(), folder / "resnet50.pth")
    torch.save({"state_dict": Dex().state_dict()}, folder / "vgg16.pth")
    recipe = load_relabel("relabel/moe")
    places = {expert.name: at for at, expert in enumerate(recipe.expert)}
    named = [f"expert.{places[name]}.weights='{folder / name}.pth'" for name in PUBLISHED]
    return ["domain='photos'", *named]


def timed(plan: RelabelPlan, files: Sequence[Path], few: int, rounds: int) -> dict[str, Any]:
    """Both methods in alternation, after one round of warm-up."""
    together, apart, alone = Timing(), Timing(), Timing()
    some = files[:few]
    for number in range(rounds + 1):
        (files_folder(plan.out) / PREDICTIONS).unlink(missing_ok=True)
        together.time(lambda: run_plan(plan, Silence()), len(files))
        apart.time(lambda: one_by_one(plan, some), few)
        with one_thread():
            alone.time(lambda: one_by_one(plan, some), few)
        if number == 0:
            together, apart, alone = Timing(), Timing(), Timing()
    return {
        "experts": list(plan.ensemble.experts),
        "faces": len(files),
        "threads": torch.get_num_threads(),
        "together": together.summary(),
        "one_by_one": apart.summary(),
        "one_by_one_on_one_thread": alone.summary(),
        "times_faster": _ratios(apart.wall, together.wall),
        "times_faster_than_on_one_thread": _ratios(alone.wall, together.wall),
        "times_less_work": _ratios(apart.cpu, together.cpu),
        "times_less_work_than_on_one_thread": _ratios(alone.cpu, together.cpu),
    }


@torch.inference_mode()
def one_by_one(plan: RelabelPlan, files: Sequence[Path]) -> None:
    """Every expert by itself, every picture by itself."""
    reading = plan.inference.reading
    for expert in plan.ensemble.experts.values():
        for file in files:
            if plan.inference.aligned:
                faces = Faces([read_picture(file, max_megapixels=250).pixels])
            else:
                loaded = detect_face(Job(file.stem, file), reading=reading, bodies=False)
                if loaded.face is None:
                    continue
                faces = Faces([loaded.face], landmarks=[loaded.landmarks])
            expert.predict(faces)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on a single thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _cpu_seconds() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    return {
        "median": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
    }


if __name__ == "__main__":
    main()
