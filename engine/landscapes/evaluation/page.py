"""`report.html` of landscape generators: the acceptance table, pictures, all metrics."""

import json
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.atomic import write_text
from engine.images.saving import png_bytes, save_png
from engine.landscapes.evaluation.evaluate import LandscapeEvaluation
from engine.scoring.files import MADE, REPORT
from engine.scoring.markup import Html, document, joined, table, tag, terms
from engine.scoring.words import number, title

SHOWN = (
    "ccc_valence", "ccc_arousal", "mae_valence", "mae_arousal", "frechet_distance", "va_diversity",
    "latent_diversity", "structure_ccc_valence", "structure_ccc_arousal", "structure_diversity",
    "red_flags", "failed",
)  # fmt: skip
CAPTION = (
    "Valence rises from bottom to top, arousal from left to right. Left half: one latent at all "
    "values; right half: a different latent at each."
)
MEANINGS = (
    ("ccc", "Lin's concordance of the target and the predicted values: 1 means equal"),
    ("mae", "mean absolute error of the predicted values, on a scale of 0 to 1"),
    ("frechet_distance", "Frechet distance of colour and detail statistics to held-out real "
                         "landscapes, per feature; comparable between these runs only, not an FID"),
    ("kernel_distance", "the same by an unbiased kernel estimate, about 0 for equal distributions"),
    ("structure_...", "the same by the order of lights alone, which no recolouring changes: what "
                      "is drawn, by a ridge regression on equalised luma or by a network"),
    ("kinds_at_a_mood", "effective number of kinds of scenes that the structure evaluator finds at "
                        "one mood, relative to that among all real ones"),
    ("... recoloured", "training scenes in the colours of the mood: what needs no drawing"),
    ("latent_diversity", "difference of images of one valence and arousal, relative to real ones"),
    ("va_diversity", "difference of one latent at the corners of the plane, relative to real ones"),
    ("valence_..., arousal_...", "rank correlation of a colour statistic along a sweep of one "
                                 "latent"),
    ("step_ratio", "largest step of such a sweep over its mean step"),
    ("copies", "share of images nearer to a training image than 99 % of real held-out ones"),
    ("gamma_max", "largest scaled gamma of any emotional residual unit"),
)  # fmt: skip


def save_landscape_evaluation(evaluation: LandscapeEvaluation, out: Path, *, command: str) -> None:
    """Write the sheets, `report.html`, and `report.json` last; command: reproduces the report."""
    for name, pixels in evaluation.sheets.items():
        save_png(out / f"sheet_{name.replace('/', '_')}.png", pixels, MADE)
    write_text(out / "report.html", landscape_page(evaluation, command))
    text = json.dumps(evaluation.report, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(out / REPORT, text + "\n")


def landscape_page(evaluation: LandscapeEvaluation, command: str) -> str:
    """The page as one HTML file."""
    report = evaluation.report
    body = tag(
        "main",
        _header(report),
        _section("Acceptance", _tables(report)),
        _section("Comparison", _comparison(report)),
        _section("Pictures", tag("p", CAPTION), _sheets(evaluation)),
        _section("Red flags", _flags(report)),
        _section("Curves against the original project's notes", _expected(report)),
        _section("All metrics", _all_metrics(report)),
        _section("Definitions", terms(MEANINGS, "terms")),
        _section("Command", tag("pre", command)),
        tag("footer", f"tm {version('tm-toolkit')}. The landscapes are synthetic."),
    )
    return document(f"{report['name']} · landscape report", body)


def _section(heading: str, *content: Html) -> Html:
    return tag("section", tag("h2", heading), *content)


def _header(report: dict[str, Any]) -> Html:
    failed = report[report["subject"]]["failed"]
    lead = f"{failed} limits are exceeded" if failed else "all limits are met"
    facts = [
        ("limits for", report["limits"]),
        ("images evaluated", report["images"]),
        ("size", f"{report['size']} px"),
        ("valence and arousal by", report["evaluated_by"]["valence_arousal"]),
        ("device", report["device"]),
    ]
    return tag(
        "header",
        tag("p", "Landscape report", class_="eyebrow"),
        tag("h1", report["name"]),
        tag("p", f"{title(report['subject'])}: {lead}.", class_="lead"),
        terms(facts, "facts"),
    )


def _tables(report: dict[str, Any]) -> Html:
    parts: list[Html] = []
    for run in report["methods"]:
        rows = [
            ("", (row["row"], row["measure"], number(row["value"], 3), row["limit"], _outcome(row)))
            for row in report[run]["acceptance"]
        ]
        head = ("", "measure", "value", "limit", "")
        parts += [tag("h3", title(run)), table(head, rows, label=f"acceptance of {run}")]
    return joined(parts)


def _outcome(row: dict[str, Any]) -> str:
    if row["passed"] is None:
        return f"not measured: {row['why_null']}"
    return "passed" if row["passed"] else "failed"


def _comparison(report: dict[str, Any]) -> Html:
    rows: list[tuple[str, tuple[object, ...]]] = [
        ("", (title(run), *(number(report[run][name], 3) for name in SHOWN)))
        for run in report["methods"]
    ]
    rows += [
        ("control", (name, *(number(result[figure], 3) for figure in SHOWN)))
        for name, result in report["baselines"].items()
    ]
    bounds = {**report["ceiling"], **report["floor"]}
    real = (number(bounds.get(name), 3) for name in SHOWN)
    rows.append(("control", ("real landscapes", *real)))
    names = [name.replace("_", " ") for name in SHOWN]
    return table(["", *names], rows, label="comparison")


def _sheets(evaluation: LandscapeEvaluation) -> Html:
    return joined(
        tag("figure", _image(pixels, name), tag("figcaption", title(name)))
        for name, pixels in evaluation.sheets.items()
    )


def _image(pixels: np.ndarray, alt: str) -> Html:
    data = b64encode(png_bytes(pixels, MADE)).decode("ascii")
    return Html(
        f'<img src="data:image/png;base64,{data}" alt="{title(alt)}" '
        'style="width: 100%; image-rendering: pixelated">'
    )


def _flags(report: dict[str, Any]) -> Html:
    items = [
        tag("li", f"{title(run)}: {name} at {number(flag['value'], 3)}. {flag['cause']}")
        for run in report["methods"]
        for name, flag in report[run]["red_flag_causes"].items()
    ]
    return tag("ul", *items) if items else tag("p", "None.")


def _expected(report: dict[str, Any]) -> Html:
    """What the curves of each run were expected to do, and did."""
    head = ["", "expected", "first tenth", "last tenth", "outcome"]
    rows = [
        ("", (title(run), one["what"], number(one["first"]), number(one["last"]), _reason(one)))
        for run in report["methods"]
        for one in report[run].get("expected", ())
    ]
    return table(head, rows, label="expected curves")


def _reason(one: dict[str, Any]) -> str:
    return one["outcome"] if one["why"] is None else f"{one['outcome']}: {one['why']}"


def _all_metrics(report: dict[str, Any]) -> Html:
    names = [n for n, v in report[report["subject"]].items() if isinstance(v, float | int)]
    rows = [
        ("", (name.replace("_", " "), *(number(report[run][name], 4) for run in report["methods"])))
        for name in names
    ]
    return table(["", *map(title, report["methods"])], rows, label="all metrics")
