"""`report.html` of landscape generators: the acceptance table, pictures, all figures."""

import json
from base64 import b64encode
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.atomic import write_text
from engine.images.saving import png_bytes, save_png
from engine.landscapes.evaluation.evaluate import LandscapeEvaluation
from engine.scoring.files import MADE, REPORT
from engine.scoring.markup import Html, joined, table, tag, terms
from engine.scoring.words import number, title

SHOWN = ("ccc_valence", "ccc_arousal", "mae_valence", "mae_arousal", "frechet", "corners",
         "variety", "flags", "failed")  # fmt: skip
CAPTION = (
    "Valence rises from the bottom up, arousal from left to right. Left half: one landscape all "
    "over the plane; right half: another one in each place."
)
MEANINGS = (
    ("ccc", "Lin's concordance of the mood asked for and the one that the judge reads: 1 is equal"),
    ("frechet", "distance of colours and detail to unseen real landscapes, by feature; it compares "
                "these runs with one another and is no published FID"),
    ("kernel", "the same by an unbiased kernel distance, about 0 for one distribution"),
    ("variety", "difference of landscapes of one mood, as a share of the real ones"),
    ("corners", "difference of the plane's corners with one code, as a share of the real ones"),
    ("v_, a_", "rank correlation of what a picture shows with valence, or arousal, within a scene"),
    ("jump", "the largest step along such a path beside its mean step"),
    ("copies", "share of pictures nearer to one learned from than 99 of 100 unseen real ones"),
    ("gamma", "the largest scaled gamma of any emotional residual unit"),
)  # fmt: skip


def save_landscape_evaluation(evaluation: LandscapeEvaluation, out: Path, *, command: str) -> None:
    """Write the sheets, then `report.html`, and `report.json` last; command makes them again."""
    for name, pixels in evaluation.sheets.items():
        save_png(out / f"sheet_{name.replace('/', '_')}.png", pixels, MADE)
    write_text(out / "report.html", landscape_page(evaluation, command))
    text = json.dumps(evaluation.report, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(out / REPORT, text + "\n")


def landscape_page(evaluation: LandscapeEvaluation, command: str) -> str:
    """The whole page as one file."""
    report = evaluation.report
    style = files("engine.scoring").joinpath("page.css").read_text("utf-8")
    body = tag(
        "main",
        _header(report),
        _section("Acceptance", _tables(report)),
        _section("Side by side", _figures(report)),
        _section("Pictures", tag("p", CAPTION), _sheets(evaluation)),
        _section("Red flags", _flags(report)),
        _section("All figures", _everything(report)),
        _section("What the figures mean", terms(MEANINGS, "terms")),
        _section("How to make this again", tag("pre", command)),
        tag("footer", f"tm {version('tm-toolkit')}. The landscapes are synthetic."),
    )
    head = joined(
        [
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", f"{report['name']} · landscape report"),
            Html(f"<style>\n{style}</style>"),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _section(heading: str, *content: Html) -> Html:
    return tag("section", tag("h2", heading), *content)


def _header(report: dict[str, Any]) -> Html:
    first = report[report["subject"]]
    lead = f"{first['failed']} of the limits are broken" if first["failed"] else "All limits hold"
    facts = [
        ("limits of", report["limits"]),
        ("pictures judged", report["examined"]),
        ("side", f"{report['size']} px"),
        ("mood judged by", report["judges"]["mood"]),
        ("judged on", report["device"]),
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
    for way in report["methods"]:
        rows = [
            ("", (row["row"], row["measure"], number(row["value"], 3), row["limit"], _verdict(row)))
            for row in report[way]["acceptance"]
        ]
        head = ("", "measure", "value", "limit", "")
        parts += [tag("h3", title(way)), table(head, rows, label=f"acceptance of {way}")]
    return joined(parts)


def _verdict(row: dict[str, Any]) -> str:
    if row["passed"] is None:
        return f"not judged: {row['why_null']}"
    return "holds" if row["passed"] else "broken"


def _figures(report: dict[str, Any]) -> Html:
    rows: list[tuple[str, tuple[object, ...]]] = [
        ("", (title(way), *(number(report[way][name], 3) for name in SHOWN)))
        for way in report["methods"]
    ]
    ceiling = {**report["ceiling"], **report["floor"]}
    real = (number(ceiling[n], 3) if n in ceiling else number(None) for n in SHOWN)
    rows.append(("control", ("real landscapes", *real)))
    names = [name.replace("_", " ") for name in SHOWN]
    return table(["", *names], rows, label="figures side by side")


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
    told = [
        tag("li", f"{title(way)}: {name} at {number(flag['value'], 3)}. {flag['cause']}")
        for way in report["methods"]
        for name, flag in report[way]["red_flags"].items()
    ]
    return tag("ul", *told) if told else tag("p", "None.")


def _everything(report: dict[str, Any]) -> Html:
    names = [n for n, v in report[report["subject"]].items() if isinstance(v, float | int)]
    rows = [
        ("", (name.replace("_", " "), *(number(report[way][name], 4) for way in report["methods"])))
        for name in names
    ]
    return table(["", *map(title, report["methods"])], rows, label="all figures")
