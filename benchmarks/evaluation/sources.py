"""Which sentence of the guides holds which figures of `docs/reports/` and of the cards.

A source is one benchmark. It yields sentences with `#` in place of their numbers, and the numbers.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from engine.metrics.bootstrap import mean_interval
from evaluation.landscape_sources import landscapes
from evaluation.stored import NUMBER, Sentence, card, report


def photo() -> Iterator[Sentence]:
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
    yield "# by face-api (# to #), distance", shares["face-api"]
    women = folds["faceres"]["groups"]["women"]["of_mean"]
    near = report("photo-judged-folds")["distance"][0]
    yield "by dlib in the folds #, and women follow as men do but by FaceRes (# of", [near, women]
    pairs = report("photo-pairs")
    gained, fitted = pairs["shipped gain"]["all"], pairs["gain 1"]["all"]
    yield "(# people, each aged by a fit that saw none", [gained["pairs"]]
    hair = gained["hair lightness"]["error_less_left"]
    dlib, faceres = (gained[name]["aged_less_left"] for name in ("dlib", "faceres"))
    yield "hair lightness # levels (# to #), distance by dlib", hair
    yield "distance by dlib # (# to #), by FaceRes # (# to #);", dlib + faceres
    wrong = [-gained[name]["aged_less_wrong"][0] for name in ("dlib", "faceres")]
    yield "the wrong way is farther still, by # and #.", wrong
    seen = [pairs["shipped model, test people"]["all"][name] for name in ("dlib", "faceres")]
    yield (
        "is farther by dlib # (# to #), by FaceRes # (# to #):",
        [value for one in seen for value in one["aged_less_left"]],
    )
    detail = gained["band 0"]
    yield "detail grows by #, in truth by #.", [detail["made"][0], detail["true"][0]]
    nearer = [fitted["hair lightness"]["error_less_left"][0], *fitted["band 0"]["error_less_left"]]
    yield "nearer in hair (#) and in the finest detail (#, # to #)", nearer
    alike = [*fitted["dlib"]["aged_less_left"], *fitted["faceres"]["aged_less_left"]]
    yield "as near by dlib (#, # to #) and FaceRes (#, # to #)", alike


def networks() -> Iterator[Sentence]:
    """`python benchmarks/nano.py` on the networks that measure drawn portraits."""
    rows = {row["name"]: row for row in report("nano")["metrics"]}

    def of(name: str) -> list[float]:
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


def prior() -> Iterator[Sentence]:
    """`python benchmarks/nano.py` on the ageing prior, beside the truth and doing nothing."""
    rows = {row["name"].removeprefix("ageing: "): row for row in report("nano")["metrics"]}

    def of(name: str, *columns: str, scale: float = 1) -> list[float]:
        return [scale * rows[name][column] for column in columns]

    every = ("value", "truth", "unchanged")
    yield "aged to 10..90: age error, years | # | # | # |", of("age MAE in years", *every)
    psnr = of("PSNR, gaps >= 20 y", "value", "unchanged")
    yield "aged by 20 years or more: PSNR to the truth | # dB | | # dB |", psnr
    auc = of("dlib verification AUC, mean over targets", *every)
    yield "against another photo of that age, AUC | # | # | # |", auc
    rate = of("verification rate at the equal-error threshold of the truth", *every)
    yield "the same at one threshold: rate | # | # | # |", rate
    both = of("age within 8 y and identity verified", *every, scale=100)
    yield "age within 8 years and identity right | # % | # % | # % |", both
    gain = rows["gain over doing nothing, dlib verification rate"]
    yield "rate is # higher than that of doing nothing (# to #, 95 %", gain["interval"]


def unpaired() -> Iterator[Sentence]:
    """`python benchmarks/nano.py --model RUN` on `nano/prior_unpaired`, beside `nano`."""
    ways = [
        {row["name"].removeprefix("ageing: "): row for row in report(name)["metrics"]}
        for name in ("nano", "nano-unpaired")
    ]

    def both(name: str, scale: float = 1) -> list[float]:
        values = [*(rows[name]["value"] for rows in ways), ways[0][name]["unchanged"]]
        return [scale * value for value in values]

    yield "| age error, years | # | # | # |", both("age MAE in years")
    yield "| PSNR to the truth, 20 years or more | # dB | # dB | # dB |", both("PSNR, gaps >= 20 y")
    rate = "verification rate at the equal-error threshold of the truth"
    yield "| verification rate by dlib | # | # | # |", both(rate)
    gains = [rows["gain over doing nothing, dlib verification rate"]["interval"] for rows in ways]
    text = "| that rate less doing nothing's | # (# to #) | # (# to #) | 0 |"
    yield text, [value for gain in gains for value in gain]
    right = both("age within 8 y and identity verified", 100)
    yield "| both the age within 8 years and the person right | # % | # % | # % |", right
    finest = [rows["energy of skin finest, output / truth"]["value"] for rows in ways]
    yield "| finest detail of skin, of the truth's | # | # | 1 |", finest


def personal_photos() -> Iterator[Sentence]:
    """`python benchmarks/personal_photos.py`: the personal model of photographs, drawn people."""
    found = report("personal-photos")
    held, beyond = found["held-out ages 25, 35, 45"], found["55 and 60"]
    networks = ("nano-identity-features", "nano-evaluator-features")

    def lower(part: Any, count: int, than: str) -> list[float]:
        row = part["lower than"][f"personal {count}, {than}"]
        return [float(number) for name in networks for number in re.findall(NUMBER, row[name])]

    cells = " | # % (# to #) | # % (# to #) |"
    yield f"| at 25, 35 and 45, than by the general model | 60{cells}", lower(held, 60, "prior")
    yield f"| | 20{cells}", lower(held, 20, "prior")
    yield f"| | 10{cells}", lower(held, 10, "prior")
    nearer = lower(held, 60, "prior")
    yield "`photo/personal`: # to # % nearer to the truth than the general", [nearer[0], nearer[3]]
    bare = lower(held, 60, "prior, no gain")
    yield f"| than by the general model without its gains | 60{cells}", bare
    yield f"| than doing nothing | 60{cells}", lower(held, 60, "nothing")
    yield f"the photographs, than by the general model | 60{cells}", lower(beyond, 60, "prior")
    ages = [held["means"][name]["age_error"] for name in ("personal 60", "prior", "nothing")]
    yield "farther off than by the general model (# and # years; # if nothing is done)", ages
    worse = re.findall(NUMBER, held["lower than"]["personal 60, prior"]["age_error"])
    mean, low, high = (-float(number) for number in worse)
    yield "if nothing is done), # % (# to #):", [mean, high, low]
    yield "has the age right (# years)", [held["means"]["nearest"]["age_error"]]
    parts = report("personal-photos-parts")["held-out ages 25, 35, 45"]
    costs = [lower(parts, 60, f"without {part}")[::3] for part in ("shape", "colour", "hair")]
    text = "the two columns: shape # and # %, colour # and # %, hair # and # %,"
    yield text, [value for cost in costs for value in cost]
    noisy = report("personal-photos-noise")["held-out ages 25, 35, 45"]
    text = "60 photographs still win # % (# to #) and # % (# to #); the strangers'"
    yield text, lower(noisy, 60, "prior")


def personal() -> Iterator[Sentence]:
    """`python benchmarks/personal.py`: personal models of the deep line on twelve drawn people."""
    found = report("personal")
    rows = {row["method"]: row for row in found["means, held-out ages 25, 35, 45"]}
    methods = [
        rows[name] for name in ("prior", "personal", "input copied", "nearest photo", "oracle")
    ]
    for text, name in (
        ("| identity by dlib (`1 - d/d0`) | # | # | # | # | # | | age off", "identity"),
        ("| age off by, years | # | # | # | # | # |", "age_error"),
        ("| age and identity together | # | # | # | # | # |", "age_and_identity"),
        ("to the truth (age evaluator) | # | # | # | # | # |", "judge features"),
        ("| distance of gradients | # | # | # | # | # |", "gradients"),
    ):
        yield text, [row[name] for row in methods]
    held, beyond = (
        found[f"personal lower than prior, {when}"]
        for when in ("held-out ages", "beyond the photos")
    )
    features = [100 * value for value in held["judge features"]]
    yield "personal model is nearer to the truth than the prior by # % (# to #)", features
    alike = [100 * value for value in held["1 - identity"]]
    yield "more the person (1 - identity # % lower, # to #;", alike
    eight = found["of --first 900005 --people 8, who chose no loss"]
    held = eight["personal lower than prior, held-out ages"]
    both = [100 * value for name in ("judge features", "1 - identity") for value in held[name]]
    yield "had no say in which losses are off, below, by # % (# to #) and # % (# to #)", both
    mean, low, high = (-100 * value for value in beyond["judge features"])
    yield "beyond the photos, its features are # % (# to #) farther", [mean, high, low]
    yield "`nano/*`: # % on twelve, but # % farther beyond", [features[0], mean]


def personal_losses() -> Iterator[Sentence]:
    """The same proof with losses left out."""
    found = report("personal-losses")
    for text, name in (
        ("NN-ID", "no-nearest"),
        ("contrastive", "no-contrastive"),
        ("NN-ID and contrastive", "no-nearest-no-contrastive"),
        ("ROI-ID", "no-roi"),
        ("all three", "w-norm-alone"),
        ("adaptive w-norm", "no-w-norm"),
    ):
        held, beyond = (
            found[f"{name} lower than personal, {when}"]
            for when in ("held-out ages", "beyond the photos")
        )
        shares = [*held["1 - identity"], *held["judge features"], *beyond["judge features"]]
        yield f"| {text} |" + " # % (# to #) |" * 3, [100 * share for share in shares]


def sizes() -> Iterator[Sentence]:
    """`python benchmarks/sizes.py networks --people 40`: errors and moves by size."""
    found = report("drawn-sizes")["networks, by: python benchmarks/sizes.py networks --people 40"]
    for name, rows in found["ages"].items():
        drawn = {key: row for key, row in rows.items() if key.startswith("drawn at ")}
        errors = [drawn[f"drawn at {side}"]["mae"][0] for side in (96, 128, 256, 512, 1024)]
        moved = [
            max(row["moved_95"] for key, row in rows.items() if (key in drawn) == whether)
            for whether in (True, False)
        ]
        yield f"| `{name}` | " + " | ".join(["#"] * 7) + " |", errors + moved


def relabelled() -> Iterator[Sentence]:
    """`python benchmarks/relabel.py`: the mixture, its experts, and the audit of labels."""
    found = report("relabel")
    experts = [found["mixture_mae"], *found["expert_mae"].values()]
    yield "mixture / its experts alone | # / #, #, # |", experts
    parts = ("flagged_of_wrong", "flagged_of_wrong_10_15", "flagged_of_wrong_15_30")
    flagged = [100 * found[part] for part in parts]
    yield "all / off by 10 to 15 years / by 15 to 30 | # % / # % / # % |", flagged
    yield "| right labels flagged | # % |", [100 * found["flagged_of_right"]]
    calibration = [found["ece"], found["coverage_error"]]
    yield 'error of "within 5 years" (ECE) / of intervals | # / # |', calibration


def ten_ages() -> Iterator[Sentence]:
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
    yield "hardly any of that (# years", [worst["blur"]]
    assert abs(worst["blur"]) < 0.1 * gap  # "hardly any of that"
    yield "they are drawn too young by # years in the mean", [-worst["output"]["bias"][0]]


def enlarger() -> Iterator[Sentence]:
    """`python benchmarks/enlarger.py`: gain over bicubic, by damage and world."""
    found = report("enlarger")
    for damage in ("blur 2", "blur 1, JPEG 60", "noise 4", "noise 10", "halved"):
        gains = [found[w][damage]["gain"] for w in ("portraits", "landscapes", "photographs")]
        text = f"| {damage} | " + " | ".join(["# (# to #)"] * 3)
        yield text, [value for gain in gains for value in gain]


def enhanced() -> Iterator[Sentence]:
    """`python benchmarks/enhance.py quality`: the nano chain on degraded drawn portraits."""
    found = report("enhance")
    rows = [found[name] for name in ("bicubic", "guarded", "unguarded")]

    def of(name: str) -> list[float]:
        return [row[name] for row in rows]

    yield "| PSNR to the truth | # dB | # dB | # dB |", of("psnr")
    yield (
        "feature distance to the truth (age evaluator) | # | # | # | | high-frequency",
        of("perceptual"),
    )
    yield "off the truth's, mean \\|ln\\| | # | # | # |", of("energy_off")
    shares = [row["energy_of_truth"][f"skin {band}"] for row in rows for band in ("fine", "finest")]
    yield "fine / finest, share of the truth's | # / # | # / # | # / # |", shares
    drawn = "| identity by dlib (`1 - d/d0`) | # | # | # | | age error against"
    yield drawn, of("identity_to_truth")
    ages = [row[name] for row in rows for name in ("age_off_truth", "age_off_truth_abs")]
    yield "mean / absolute | # / # years | # / # | # / # |", ages
    yield "against bicubic, mean | | # years | # |", of("age_drift")[1:]


def clips() -> Iterator[Sentence]:
    """`python benchmarks/video.py --json`: means over people, and of what people differ by."""
    rows = {(row["what"], row["clip"]): row for row in report("clips")}
    people = sorted({clip for _, clip in rows})

    def over(figure: Callable[[int], float]) -> list[float]:
        return list(mean_interval([figure(n) for n in people], groups=people))

    def of(kind: str, name: str) -> list[float]:
        return over(lambda n: rows[kind, n][name])

    def excess(kind: str) -> Callable[[int], float]:
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


def cards() -> Iterator[Sentence]:
    """What the cards of the package say."""
    yield "64 px from nothing, # minutes of one core", [card("landscapes")["minutes"]]
    yield "Photographs are calibrated on # official portraits", [card("photo")["people"]]
    women = 100 * card("photo")["women"] / card("photo")["people"]
    for text in ("mostly white, # % women. On", "mostly white and # % women. Targets"):
        yield text, [women]


SOURCES = (
    photo,
    networks,
    prior,
    unpaired,
    personal,
    personal_losses,
    personal_photos,
    sizes,
    relabelled,
    ten_ages,
    landscapes,
    enlarger,
    enhanced,
    clips,
    cards,
)
