"""`report.html`: a self-contained page for small and large screens, light and dark."""

from collections.abc import Collection, Sequence
from typing import Any

from engine.scoring.evaluate import Evaluation
from engine.scoring.gallery import albums, worst_cases
from engine.scoring.looks_page import looks_section
from engine.scoring.markup import Html, document, joined, table, tag, terms
from engine.scoring.material import COPIED, TRUTH
from engine.scoring.photo_terms import photo_compared, photo_terms
from engine.scoring.plots import COLOURS, curves, themed
from engine.scoring.rows import AGE_TOLERANCE
from engine.scoring.words import (
    FIGURES,
    SHARES,
    against_nothing,
    beside_nothing,
    format_difference,
    format_figure,
    headline,
    number,
    percent,
    title,
)

CAPTIONS = {
    "ages": "Estimated age over target age. Dotted: no error; grey band: within the tolerance. "
    "Tinted: extrapolation beyond the ages of the person's photos.",
    "identity": "Identity over the years between photo and target. Dashed: pairs of real photos of "
    "the person, which differ in more than age.",
}


def page(evaluation: Evaluation, command: str, made_by: str) -> str:
    """The page as HTML; command: the command line that reproduces it, made_by: the program."""
    report = evaluation.report
    sections = [
        _header(report),
        _section("Results", _summary_caption(report), joined([_flags(report), _summary(report)])),
        _section("Paired comparison", PAIRED, _pairs(report)) if report["paired"] else Html(),
        _section("Training", TRAINING, _trends(report)) if "run" in report else Html(),
        looks_section(report),
        _section("Portraits", "Below each: estimated age and identity.", albums(evaluation)),
        _section("Curves", "", _plots(evaluation)),
        _section("Largest errors", "Worst first.", worst_cases(evaluation)),
        _section("All figures", "", _details(report)),
        _section("Definitions", "", _meanings(report)),
        _section("Reproduce", "The same files give the same figures.",
                 tag("pre", command)),
    ]  # fmt: skip
    body = tag("main", *sections, tag("footer", _footer(report, made_by)))
    return document(f"{report['name']} · ageing report", body)


SYNTHETIC = "The portraits are synthetic."
PAIRED = (
    "Mean differences over the common photos and target ages, with 95 % bootstrap intervals. A "
    "difference whose interval includes 0 is not significant."
)
TRAINING = "Mean identity loss over consecutive windows of each run: it should never rise."


def _trends(report: dict[str, Any]) -> Html:
    return tag("ul", *(tag("li", f"{title(n)}: {text}") for n, text in report["run"].items()))


def _footer(report: dict[str, Any], made_by: str) -> str:
    return f"{made_by}." if report["reference"] is not None else f"{made_by}. {SYNTHETIC}"


def _section(heading: str, words: str, content: Html) -> Html:
    return tag("section", tag("h2", heading), tag("p", words) if words else Html(), content)


def _header(report: dict[str, Any]) -> Html:
    what = "drawn portraits" if report["domain"] == "portraits" else "photographs"
    methods = [title(method) for method in report["methods"]]
    photos = len(
        {row["photo_sha256"] for method in report["methods"] for row in report["rows"][method]}
    )
    portraits = sum(report[method]["portraits"] for method in report["methods"])
    facts: list[tuple[str, object]] = [
        ("methods", ", ".join(methods)),
        ("people", "not all named" if report["unnamed_photos"] else report["people"]),
        ("photos aged" if report["reference"] is None else "photos compared with", photos),
        ("portraits", portraits),
    ]
    if report["photos"] is not None:
        known = report["photos"]
        span = f"{known['count']}, of {known['youngest']:g} to {known['oldest']:g} years"
        facts.append(("photos of the person", span))
    if report.get("minutes") is not None:
        facts.append(("made in", f"{report['minutes']:g} min"))
    facts.append(("evaluated on", report["device"]))
    return tag(
        "header",
        tag("p", f"Ageing report · {what}", class_="eyebrow"),
        tag("h1", report["name"]),
        tag("p", _lead(report), class_="lead"),
        terms(facts, "facts"),
    )


def _lead(report: dict[str, Any]) -> Html:
    """The main result: the figures of one method, or the comparison of the others to the first."""
    first, *others = report["methods"]
    if others:
        return joined(_against(report, first, method) for method in others)
    own = report[first]
    if own["age_identity_accuracy"] is None:
        return joined(["Mean identity is ", _strong(number(own["identity"])), "."])
    share, years = percent(own["age_identity_accuracy"]), number(own["age_mae"], 1)
    return joined(
        ["Age and identity are correct in ", _strong(share), " of the portraits; the mean age "
         f"error is {years} years."]
    )  # fmt: skip


def _against(report: dict[str, Any], first: str, method: str) -> Html:
    """One sentence that compares a method to the first."""
    rows = [row for row in report["paired"] if (row["one"], row["other"]) == (first, method)]
    name, reference = _strong(title(method)[:1].upper() + title(method)[1:]), title(first)
    if (same := report["same_pictures"].get(method)) is not None:
        return joined([name, f" made the same pictures as {title(same)}. "])
    if not rows or all(row["too_few"] for row in rows):
        return joined([name, f" and {reference} have too few common portraits for a comparison. "])
    won = [FIGURES[row["figure"]] for row in rows if row["better"] == method]
    lost = [FIGURES[row["figure"]] for row in rows if row["better"] == first]
    results = [
        f"{word} in {_listed(names)}" for word, names in (("better", won), ("worse", lost)) if names
    ]
    if not results:
        return joined([name, f" does not differ significantly from {reference}. "])
    results[-1] += f" than {reference}"
    results += [against_nothing(row) for row in beside_nothing(report) if row["one"] == method]
    return joined([name, f" is {_listed(results)}. "])


def _strong(words: str) -> Html:
    return tag("strong", words)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _summary_caption(report: dict[str, Any]) -> str:
    to = report[report["methods"][0]]["compared"]
    against = {
        "truth": "the true photograph at that age",
        "photos": "the person's own photos of that age",
        "photo": photo_compared(report),
    }
    named = " or ".join(against[name] for name in to if name in against)
    controls = ["the unchanged photo"]
    controls += ["the nearest photo"] if COPIED in report else []
    controls += ["the truth"] if TRUTH in report["controls"] else []
    caption = (
        f"Identity is to {named}, by {report['evaluators']['identity']}. Grey: the controls, "
        f"{_listed(controls)}."
    )
    if len(report["methods"]) > 1:
        caption += " Bold: significantly better than all others."
    if report["evaluators"]["shrunk"]:
        side = report["evaluators"]["compared_at_px"]
        caption = f"{caption} All pictures are compared at {side} px, larger ones are shrunk."
    if report["same_tasks"]:
        return caption
    return f"{caption} The methods have different target ages: the next section compares them."


def _flags(report: dict[str, Any]) -> Html:
    flags = [
        f"{title(method)}: {flag}." for method in report["methods"]
        for flag in report[method]["red_flags"]
    ]  # fmt: skip
    return joined(tag("p", tag("strong", "Red flag. "), flag, class_="flag") for flag in flags)


def _summary(report: dict[str, Any]) -> Html:
    names = headline(report)
    rows: list[tuple[str, Sequence[object]]] = []
    for number_of, method in enumerate(report["methods"]):
        best = {name: _is_best(report, method, name) for name in names}
        cells = [_figure(report[method], name, best[name]) for name in names]
        rows.append(("", (_named(method, number_of), *cells)))
    controls = dict(report["controls"])
    if COPIED in report:
        controls = {COPIED: report[COPIED], **controls}
    for method, figures in controls.items():
        rows.append(
            ("control", (title(method), *(_figure(figures, name, False) for name in names)))
        )
    head = ["", *(joined([words, tag("small", UNITS[name])]) for name, words in names.items())]
    return table(head, rows, label="results", class_="summary")


UNITS = {
    "identity": "1 is the same picture, higher is better",
    "perceptual": "0 is equal, lower is better",
    "age_mae": "years, lower is better",
    "age_identity_accuracy": "share of the portraits, higher is better",
    "perceptual_to_photo": "0 is equal, lower is nearer to the photo",
    "gender_kept": "share of the portraits, higher is better",
}


def _named(method: str, place: int) -> Html:
    colour = f"background: var(--method-{place % len(COLOURS) + 1})"
    return joined([tag("span", "", class_="swatch", style=colour), title(method)])


def _figure(figures: dict[str, Any], name: str, best: bool) -> Html:
    value, interval = figures[name], figures.get(f"{name}_interval")
    shown = tag("b", format_figure(name, value)) if best else joined([format_figure(name, value)])
    if value is None:
        return joined([shown, tag("small", "not measured")])
    if interval is None or interval[0] == interval[1]:
        return shown
    low, high = (format_figure(name, edge) for edge in interval)
    return joined([shown, tag("small", f"{low} to {high}")])


def _is_best(report: dict[str, Any], method: str, name: str) -> bool:
    """Whether a method is significantly better than every other by a figure."""
    same = report["same_pictures"]
    own = same.get(method, method)
    others = {other for other in report["methods"] if other != own and other not in same}
    won = (r for r in report["paired"] if r["figure"] == name and r["better"] == own)
    beaten = {row["one"] if row["other"] == own else row["other"] for row in won}
    return bool(others) and others <= beaten


def _pairs(report: dict[str, Any]) -> Html:
    methods = report["methods"]
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in report["paired"]:
        pairs.setdefault((row["one"], row["other"]), []).append(row)
    order = sorted(pairs, key=lambda pair: pair[1] not in methods)
    cards = (
        tag(
            "div",
            tag("h3", f"{title(one)} against {title(other)}"),
            tag("ul", *_differences(pairs[one, other])),
            class_="pair",
        )
        for one, other in order
    )
    return tag("div", *cards, class_="pairs")


def _differences(rows: Sequence[dict[str, Any]]) -> list[Html]:
    if not all(row["too_few"] for row in rows):
        return [_difference(row) for row in rows]
    most = max(row["portraits"] for row in rows)
    return [tag("li", tag("small", f"{most} common portraits are too few"))]


def _difference(row: dict[str, Any]) -> Html:
    name = row["figure"]
    low, high = (format_difference(name, edge).removesuffix(" points") for edge in row["interval"])
    outcome = "too few" if row["too_few"] else "not significant"
    if row["better"] is not None:
        outcome = f"{title(row['better'])} better"
    pill = tag("span", outcome, class_="pill" if row["better"] is None else "pill won")
    sign = "+" if row["difference"] > 0 else ""
    difference = f"{sign}{format_difference(name, row['difference'])}"
    amount = f"{difference} ({low} to {high}), {row['portraits']} portraits"
    return tag("li", tag("span", FIGURES[name]), pill, tag("small", amount))


def _plots(evaluation: Evaluation) -> Html:
    shown = (
        tag("figure", Html(themed(svg)), tag("figcaption", CAPTIONS[name]))
        for name, svg in curves(evaluation).items()
    )
    return tag("div", *shown, class_="plots")


def _details(report: dict[str, Any]) -> Html:
    parts: list[Html] = []
    for method in report["methods"]:
        figures = report[method]
        parts += [
            _folded(f"{title(method)} by age", _by(figures["by_target"], "target", "at")),
            _folded(f"{title(method)} by years from the photo", _by(figures["by_gap"], "", "gap")),
            _folded(f"{title(method)}, further figures", _rest(figures, headline(report))),
        ]
    return joined(parts)


def _folded(heading: str, content: Html) -> Html:
    return tag("details", tag("summary", heading), content)


def _by(rows: Sequence[dict[str, Any]], key: str, head: str) -> Html:
    columns = (
        "portraits",
        "identity",
        "perceptual",
        "predicted_age",
        "age_mae",
        "age_bias",
        "age_identity_accuracy",
        "verification_rate",
        "sharpness",
    )
    names = ["n", "identity", "perceptual", "predicted age", "age error", "bias"]
    names += ["age and identity", "verification", "sharpness"]
    shown: list[tuple[str, Sequence[object]]] = []
    for row in rows:
        first = f"{row[key]:g}" if key else f"{row['from']:g} to {row['to']:g}"
        cells = [row["portraits"] if c == "portraits" else _cell(c, row[c]) for c in columns]
        shown.append(("extrapolated" if row.get("extrapolated_years") else "", (first, *cells)))
    return table([head, *names], shown, label=head)


def _cell(name: str, value: float | None) -> str:
    return number(value, 1) if name == "predicted_age" else format_figure(name, value)


def _rest(figures: dict[str, Any], shown_above: Collection[str]) -> Html:
    plain = {
        name: value
        for name, value in figures.items()
        if name not in shown_above and (value is None or isinstance(value, float))
    }
    rows: list[tuple[str, Sequence[object]]] = []
    for name, value in plain.items():
        note = figures["null"].get(name, "")
        low_high = figures.get(f"{name}_interval")
        shown = format_figure(name, value) if name in SHARES else number(value, 3)
        between = (
            "" if low_high is None else f"{number(low_high[0], 3)} to {number(low_high[1], 3)}"
        )
        rows.append(("", (name.replace("_", " "), shown, between, note)))
    for name in ("reconstruction", "verification", "sets"):
        group = figures.get(name) or {}
        for key, value in group.items():
            if key.endswith("_interval"):
                continue
            shown = number(value, 4) if isinstance(value, float) else str(value)
            edges = group.get(f"{key}_interval")
            between = "" if edges is None else " to ".join(number(edge, 4) for edge in edges)
            rows.append(("", (f"{name}: {key.replace('_', ' ')}", shown, between, "")))
    return table(["figure", "value", "95 %", ""], rows, label="further figures")


def _meanings(report: dict[str, Any]) -> Html:
    evaluators = report["evaluators"]
    age = (
        evaluators["age"]
        if evaluators["age"] is not None
        else "no evaluator: " + _why(report, "age_mae")
    )
    distance = evaluators["perceptual"]
    side = (
        f"{evaluators['compared_at_px']} px, the side of the {evaluators['compared_at']} portrait"
    )
    by = f"by {distance}"
    far = by if distance is not None else f"not measured: {_why(report, 'perceptual')}"
    pairs: list[tuple[object, object]] = [
        ("identity", f"{evaluators['identity_about']}, by {evaluators['identity']}"),
        (FIGURES["perceptual"], far),
        ("age error", f"mean of |estimated age - target age|, by {age}"),
        (
            FIGURES["age_identity_accuracy"],
            f"share of portraits with an age error within {AGE_TOLERANCE:g} years and an identity "
            f"that {evaluators['identity']} verifies "
            f"(threshold {evaluators['identity_threshold']:g})",
        ),
        ("verification rate", f"share of portraits whose identity to their photo is verified by "
         f"{evaluators['identity']}"),
        ("sharpness", "energy of edges (Laplacian after a blur of 0.8 px) over that of the photo: "
         "below 1 is blurrier"),
        ("size", f"every picture is evaluated at no more than {side}: the figures do not depend on "
         "the output size"),
        ("intervals", f"95 % bootstrap over {report[report['methods'][0]]['interval_over']}"),
        ("set distances", _sets_mean(report)),
    ]  # fmt: skip
    return terms(pairs + photo_terms(report), "terms")


def _sets_mean(report: dict[str, Any]) -> str:
    sets = report[report["methods"][0]].get("sets", {"why_null": "no real pictures were given"})
    if "features" not in sets:
        return f"not measured: {sets['why_null']}"
    names = " and ".join(name for name in sets if f"{name}_floor" in sets)
    return (
        f"{names}: Frechet and kernel distance of the features of {sets['features']} to "
        f"{sets['n']} real pictures ({sets['against']}), beside the distance between as many real "
        "pictures (floor, with its bootstrap interval); comparable at the same n only"
    )


def _why(report: dict[str, Any], name: str) -> str:
    return report[report["methods"][0]]["null"].get(name, "not measured")
