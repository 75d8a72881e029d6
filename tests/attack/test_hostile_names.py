"""Names that are markup, formulas or orders to a terminal, and who may read what is written."""

import csv
import os
import re
import shutil

import pytest

FEW = 2
NAMES = (
    *("<img src=x onerror=alert(1)>", "esc\x1b]0;owned\x07\x1b[31m", "[red]m[/red]", "[/]"),
    *("[bold", "$\\frac{$", "=1+1", "%s{0}", "a\nb", "\u202egnp", "'\"><script>alert(1)<\u2215"),
    *("*_`md`_*", "-rf", "@SUM(1)", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
)
COMMANDS = {
    "align": ("prep", "align", "D", "D/al", "--size", 64, "--workers", 1, "-v"),
    "filter": ("prep", "filter", "D", "--workers", 1),
    "relabel": ("relabel", "D", "--out", "D/l.json", "--report", "D/r.csv", "--workers", 1,
                "--experts", "nano-age"),
    "infer": ("infer", "D", "--aligned", "--force", "--ages=30", "--out", "D/inf", "--strip", "-v"),
    "eval": ("eval", "D/inf", "--workers", 1),
    "bank": ("bank", "build", "D", "D/b.safetensors", "-v"),
    "search": ("bank", "search", "D/b.safetensors", "D/20_NAME.png", "--aligned", "--out",
               "D/s.png"),
    "resume": ("resume", "D"),
    "import": ("weights", "import", "D/20_NAME.png"),
    "recipe": ("recipe", "show", "D/NAME.toml"),
    "pull": ("weights", "pull", "xNAME"),
    "weights": ("infer", "D", "--ages=30", "--weights", "D/NAME", "--out", "D/y"),
}  # fmt: skip
FAST = ("align", "recipe", "pull", "weights", "import", "bank")
RAW = ("<img src=x onerror", "<script>alert(1)")
FORMULA = re.compile(r"[=+@].*|-(?![\d.e+-]+$).*", re.DOTALL)


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    from engine.core.progress import Silence
    from engine.prep.synth import SynthPlan, synthesise

    folder = tmp_path_factory.mktemp("portraits")
    synthesise(
        SynthPlan(folder, people=1, per_person=2, size=96, seed=902_500),
        workers=1,
        progress=Silence(),
    )
    return sorted(folder.rglob("*.png"))


def faults_of_pages(folder):
    """Markup that a page would run, and cells that a table would."""
    faults = []
    for page in folder.rglob("*.html"):
        text = page.read_text("utf-8", "replace")
        faults += [f"raw markup in {page.name}" for raw in RAW if raw in text]
        faults += [
            f"{page.name} loads from outside" for _ in re.findall(r'src="(?:https?:)?//', text)
        ]
    for table in folder.rglob("*.csv"):
        with table.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row if FORMULA.fullmatch(cell)]
        faults += [f"{table.name} holds a formula: {cell!r}" for cell in cells]
    return faults


def test_names(attack, tm, tmp_path, portraits):
    for number, hostile in enumerate(attack.chosen(NAMES, FEW)):
        name = hostile.replace("/", "\u2215")
        folder = tmp_path / f"{number}{name}"
        folder.mkdir()
        for index, path in enumerate(portraits):
            shutil.copy(path, folder / f"{20 + 10 * index}_{name}.png")
        for command in FAST if attack.few else COMMANDS:
            argv = [
                one.replace("NAME", name).replace("D/", f"{folder}/") if isinstance(one, str)
                else one
                for one in COMMANDS[command]
            ]  # fmt: skip
            result = tm(*[str(folder) if one == "D" else one for one in argv])
            attack.told(f"{command} {name!r}", result, allowed={0, 2, 3, 4})
        attack.tried(f"pages of {name!r}", faults_of_pages(folder))


def test_permissions(attack, tm, tmp_path, portraits):
    """What is written under umask 077 is readable by nobody else."""
    before = os.umask(0o077)
    try:
        out = tmp_path / "out"
        source = portraits[0].parent
        tm("prep", "align", source, out / "a", "--size", 64, "--workers", 1)
        tm("bank", "build", source, out / "b.safetensors")
        if not attack.few:
            tm("infer", source, "--aligned", "--force", "--ages=30", "--out", out / "i")
            tm("relabel", source, "--out", out / "l.json", "--workers", 1)
            tm("enhance", source, out / "e", "--no-guard", "--steps", "esrgan", "--workers", 1)
        wide = [path.name for path in out.rglob("*") if path.stat().st_mode & 0o077]
        assert len(list(out.rglob("*"))) > 3
    finally:
        os.umask(before)
    attack.tried("umask 077", [f"readable by others: {wide[:6]}"] if wide else [])
