"""The figures of the guides are those of the cards and of `docs/reports/` that hold them."""

import json
import re
from pathlib import Path

import pytest

from engine.core.digest import file_sha256
from engine.metrics.bootstrap import mean_interval
from engine.weights.find import shipped_weights
from engine.weights.native import read_card

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = " ".join(" ".join(page.read_text(encoding="utf-8") for page in PAGES).split())
NUMBER = r"([-+]?\d+(?:\.\d+)?)"


def report(name):
    return json.loads((ROOT / f"docs/reports/{name}.json").read_text(encoding="utf-8"))


def card(name):
    return read_card(shipped_weights()[name])["card"]


def photo():
    """`photo` on test people."""
    found = report("photo-judged")
    shares = {name: one["share_of_own_slope"] for name, one in found["networks"].items()}
    cc0 = found["networks"]["age-cc0"]
    yield "on # portraits of people who are in no fit, taken to 35", [found["people"]]
    yield "follows the target with # (`age-cc0`; 95 % over people # to #)", shares["age-cc0"]
    yield "# (FaceRes; # to #) and", shares["faceres"]
    yield "and # (face-api, which set the gains; # to #)", shares["face-api"]
    errors = [cc0["error"][0], found["do_nothing"]["error"][0], cc0["own_error"][0]]
    yield "is # years off the target, # if nothing is done, # on untouched photographs", errors
    alike = [100 * found["same_person"][0], found["distance"][0]]
    yield "takes # % of them for the same person (distance #; 0.6", alike
    yield "background moves by # levels", found["background_levels"][:1]
    yield "the estimated sex stays in # %", [100 * found["gender_kept"][0]]
    folds = report("photo-judged-folds")["networks"]
    shares = {name: one["share_of_own_slope"] for name, one in folds.items()}
    yield "the shares are # by `age-cc0` (# to #)", shares["age-cc0"]
    yield "# by FaceRes (# to #) and", shares["faceres"]
    yield "# by face-api (# to #), and women", shares["face-api"]
    women = folds["faceres"]["groups"]["women"]["of_mean"]
    yield "as men do but by FaceRes (# of the mean)", [women]


def networks():
    """`python benchmarks/nano.py` on the networks that measure drawn portraits."""
    rows = {row["name"]: row for row in report("nano-networks")["metrics"]}

    def of(name):
        row = rows[name]
        return [row["value"], *row["interval"][1:]] if row["interval"] else [row["value"]]

    near, everyone = of("identity AUC, gap <= 30 y"), of("identity AUC, all gaps")
    yield "verification AUC, within 30 years / all gaps | # / #", near[:1] + everyone[:1]
    grey, mosaic = of("identity AUC, grey"), of("identity AUC, mosaic")
    yield "AUC in grey / on mosaics of 8 x 8 patches | # / #", grey[:1] + mosaic[:1]
    rates = [of(f"identity: true accept rate at FAR 0.001, {view}") for view in ("colour", "grey")]
    yield "a false accept rate of 0.001, in colour / in grey | # / #", [one[0] for one in rates]
    yield "own grey version known again | # %", [100 * of("identity: own grey version passes")[0]]
    yield (
        "independent age evaluator, in no loss: error in years | #",
        of("age evaluator: MAE in years")[:1],
    )
    yield "landmarks: error in eye distances | #", of("landmarks: mean error in eye distances")[:1]


def ten_ages():
    """`python benchmarks/agetransformer.py exam`: by three families, the worst of them named."""
    found = report("ten-ages")
    ages = found["ages"]
    for family in ("nano-age-evaluator", "nano-age-tokens"):
        rows = ages[family]
        yield (
            f"(`{family}`) | # (# to #) | # (# to #) | # | # |",
            [*rows["output"]["error"], *rows["truth"]["error"],
             rows["soft_truth"]["error"][0], rows["nothing"]["error"][0]],
        )  # fmt: skip
    worst = ages[ages["worst"]]
    yield (
        f"(`{ages['worst']}`) | **# (# to #)** | # (# to #) | # | # |",
        [*worst["output"]["error"], *worst["truth"]["error"],
         worst["soft_truth"]["error"][0], worst["nothing"]["error"][0]],
    )  # fmt: skip
    gap = worst["output"]["error"][0] - worst["truth"]["error"][0]
    yield "off by # years in luma**, # more than", [worst["output"]["error"][0], gap]
    yield "a quarter of that (# years", [worst["blur"]]
    assert 0.2 < worst["blur"] / gap < 0.3


def landscapes():
    """`python benchmarks/landscapes.py`: the generator beside recoloured scenes."""
    found = report("landscapes")
    names = ("landscapes", "one scene recoloured", "scenes recoloured")
    pairs = "# / #"

    def both(figure, axes=("valence", "arousal")):
        rows = [
            [found[name]["rows"][f"{figure}_{axis}"]["value"] for axis in axes] for name in names
        ]
        return [value for row in rows for value in row]

    yield (
        f"concordance by colours, valence / arousal | {pairs} | {pairs} | {pairs} | 0.80",
        both("ccc"),
    )
    ceiling = [found["ceiling"][f"structure_ccc_{axis}"] for axis in ("valence", "arousal")]
    yield (
        f"**by structure**, valence / arousal | {pairs} | {pairs} | {pairs} | half of the real"
        f" | {pairs} |",
        both("structure_ccc") + ceiling,
    )
    yield (
        "variety of structure at one mood | # | # | # |",
        [found[name]["rows"]["structure_diversity"]["value"] for name in names],
    )
    yield (
        "measures failed | # of # | # of # | # of # |",
        [found[name][key] for name in names for key in ("failed", "measured")],
    )


def enlarger():
    """`python benchmarks/enlarger.py`: gain over bicubic, by damage and world."""
    found = report("enlarger")
    for damage in ("blur 2", "blur 1, JPEG 60", "noise 4", "noise 10", "halved"):
        gains = [found[w][damage]["gain"] for w in ("portraits", "landscapes", "photographs")]
        text = f"| {damage} | " + " | ".join(["# (# to #)"] * 3)
        yield text, [value for gain in gains for value in gain]


def clips():
    """`python benchmarks/video.py --json`: means over people, and of what people differ by."""
    rows = {(row["what"], row["clip"]): row for row in report("clips")}
    people = sorted({clip for _, clip in rows})

    def over(figure):
        return list(mean_interval([figure(n) for n in people], groups=people))

    def of(kind, name):
        return over(lambda n: rows[kind, n][name])

    def excess(kind):
        return lambda n: rows[kind, n]["ratio"] - rows["truth", n]["ratio"]

    for model, text in (
        ("nano", "flow is # (# to #) of the input's by `nano` and # (# to #) frame by frame"),
        ("photo", "By the photo model, forced, it is # (# to #) against # (# to #)"),
    ):
        clip, still = f"{model}, as a clip", f"{model}, frame by frame"
        yield text, of(clip, "ratio") + of(still, "ratio")
        yield (
            f"the truth's own `{model}` adds # (# to #) as a clip and # (# to #) frame by frame",
            over(excess(clip)) + over(excess(still)),
        )
        half = over(lambda n, a=excess(clip), b=excess(still): a(n) - b(n) / 2)
        yield f"beyond half of that `{model}` is # (# to #)", half
        apart = over(lambda n, a=clip, b=still: rows[a, n]["identity"] - rows[b, n]["identity"])
        yield f"as a clip less that of stills is # (# to #) by `{model}`", apart
        spreads = [of(kind, "age_spread")[0] for kind in (clip, still)]
        yield f"# years within a clip by `{model}`, # frame by frame", spreads
    yield "the truth itself has # (# to #)", of("truth", "ratio")
    yield "and # years in the truth", of("truth", "age_spread")[:1]


def cards():
    yield "64 px from nothing, # minutes of one core", [card("landscapes")["minutes"]]
    yield "Photographs are calibrated on # official portraits", [card("photo")["people"]]
    women = 100 * card("photo")["women"] / card("photo")["people"]
    for text in ("mostly white, # % women. It ages", "mostly white and # % women. Targets"):
        yield text, [women]


@pytest.mark.parametrize("source", [photo, networks, ten_ages, landscapes, enlarger, clips, cards])
def test_figures_are_those_of_the_source(source):
    for text, values in source():
        pattern = re.escape(text).replace(r"\#", NUMBER)
        found = re.findall(pattern, TEXT)
        assert len(found) == 1, f"the guides say not once: {text}"
        shown = [found[0]] if isinstance(found[0], str) else found[0]
        for number, value in zip(shown, values, strict=True):
            digits = len(number.partition(".")[2])
            assert float(number) == pytest.approx(value, abs=0.501 * 10**-digits), (text, value)


def test_the_reports_are_of_the_weights_in_the_package():
    measured = report("nano-networks")
    files = {"identity": "nano-identity", "age": "nano-age", "landmarks": "nano-landmarks"}
    assert {role: measured["weights"][role] for role in files} == {
        role: file_sha256(shipped_weights()[name]) for role, name in files.items()
    }
    ten = report("ten-ages")
    for name, weights in (("landscapes", "landscapes"), ("enlarger", "nano-x2")):
        assert report(name)["weights_sha256"] == file_sha256(shipped_weights()[weights])
    assert ten["sha256"] == file_sha256(shipped_weights()[ten["weights"]])
