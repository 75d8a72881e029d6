"""`report.html`: one file that needs nothing else, for a phone and for a desk, light and dark."""

from collections.abc import Sequence
from typing import Any

from engine.scoring.evaluate import Evaluation
from engine.scoring.gallery import albums, worst_cases
from engine.scoring.markup import Html, document, joined, table, tag, terms
from engine.scoring.material import COPIED, TRUTH
from engine.scoring.plots import WAYS, curves, themed
from engine.scoring.rows import RIGHT_AGE
from engine.scoring.words import FIGURES, SHARES, apart, number, percent, title, told

VERDICT = ("identity", "perceptual", "age_mae", "right")
CAPTIONS = {
    "ages": "Judged age against the age asked for. On the dotted line the age is right, in the "
    "grey band it counts as right. Tinted: beyond the ages of the person's photos.",
    "identity": "Identity against the years between photo and target. Dashed: two real photos of "
    "the person, so many years apart, which differ in more than age.",
}


def page(evaluation: Evaluation, command: str, made_by: str) -> str:
    """The whole file; `command` makes it again, `made_by` names the program."""
    report = evaluation.report
    sections = [
        _header(report),
        _section("Verdict", _verdict_words(report), _verdict(report)),
        _section("Which is better at what", PAIRED, _pairs(report)) if report["paired"] else Html(),
        _section("Pictures", "Under each: what the judges say.", albums(evaluation)),
        _section("Curves", "", _plots(evaluation)),
        _section("Worst first", "Look here before believing the means.", worst_cases(evaluation)),
        _section("All figures", "", _details(report)),
        _section("What the figures mean", "", _meanings(report)),
        _section("How to make this again", "From the same files the figures are the same.",
                 tag("pre", command)),
    ]  # fmt: skip
    body = tag("main", *sections, tag("footer", f"{made_by}. The portraits are synthetic."))
    return document(f"{report['name']} · ageing report", body)


PAIRED = (
    "The same photos at the same ages, portrait by portrait: the mean difference, and the interval "
    "that holds it in 95 of 100 draws. Where the interval holds 0, it is noise."
)


def _section(heading: str, words: str, content: Html) -> Html:
    return tag("section", tag("h2", heading), tag("p", words) if words else Html(), content)


def _header(report: dict[str, Any]) -> Html:
    what = "drawn portraits" if report["domain"] == "portraits" else "photographs"
    ways = [title(way) for way in report["ways"]]
    photos = len({row["photo_sha256"] for way in report["ways"] for row in report["rows"][way]})
    portraits = sum(report[way]["portraits"] for way in report["ways"])
    facts: list[tuple[str, object]] = [
        ("ways", ", ".join(ways)),
        ("people", report["people"]),
        ("photos aged", photos),
        ("portraits", portraits),
    ]
    if report["photos"] is not None:
        known = report["photos"]
        span = f"{known['count']}, of {known['youngest']:g} to {known['oldest']:g} years"
        facts.append(("photos of the person", span))
    if report.get("minutes") is not None:
        facts.append(("made in", f"{report['minutes']:g} min"))
    facts.append(("judged on", report["device"]))
    return tag(
        "header",
        tag("p", f"Ageing report · {what}", class_="eyebrow"),
        tag("h1", report["name"]),
        tag("p", _lead(report), class_="lead"),
        terms(facts, "facts"),
    )


def _lead(report: dict[str, Any]) -> Html:
    """What was found: the figures of one way, or how the others stand to the first."""
    first, *others = report["ways"]
    if others:
        return joined(_against(report, first, way) for way in others)
    own = report[first]
    if own["right"] is None:
        return joined(["It keeps an identity of ", _strong(number(own["identity"])), "."])
    share, years = percent(own["right"]), number(own["age_mae"], 1)
    return joined(
        ["Age and person are right in ", _strong(share), f" of the portraits, {years} years off on "
         "average."]
    )  # fmt: skip


def _against(report: dict[str, Any], first: str, way: str) -> Html:
    """One sentence on a way beside the first."""
    rows = [row for row in report["paired"] if (row["one"], row["other"]) == (first, way)]
    name, beside = _strong(title(way)[:1].upper() + title(way)[1:]), title(first)
    if not rows or all(row["few"] for row in rows):
        return joined([name, f" and {beside} have too few portraits in common to tell. "])
    won = [FIGURES[row["figure"]] for row in rows if row["better"] == way]
    lost = [FIGURES[row["figure"]] for row in rows if row["better"] == first]
    told = [
        f"{word} at {_listed(names)}" for word, names in (("better", won), ("worse", lost)) if names
    ]
    if not told:
        return joined([name, f" is level with {beside} within noise. "])
    return joined([name, f" is {' and '.join(told)} than {beside}. "])


def _strong(words: str) -> Html:
    return tag("strong", words)


def _listed(names: Sequence[str], last: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _verdict_words(report: dict[str, Any]) -> str:
    to = report[report["ways"][0]]["compared"]
    against = {
        "truth": "the very photograph at that age",
        "photos": "the person's own photos of that age",
        "photo": "the photo that was aged",
    }
    named = " or ".join(against[name] for name in to if name in against)
    grey = ["doing nothing", "showing another photo"] if COPIED in report else ["doing nothing"]
    grey += ["the truth itself"] if TRUTH in report["controls"] else []
    told = (
        f"Identity is to {named}, judged by {report['judges']['identity']}. In grey: what "
        f"{_listed(grey, 'or')} would get."
    )
    if len(report["ways"]) > 1:
        told += " Bold: better than every other, beyond noise."
    if report["judges"]["shrunk"]:
        side = report["judges"]["compared_at_px"]
        told = f"{told} Everything is compared at {side} px, larger pictures averaged down to it."
    if report["same_tasks"]:
        return told
    return f"{told} The ways were asked for different ages: what compares them is the next section."


def _verdict(report: dict[str, Any]) -> Html:
    rows: list[tuple[str, Sequence[object]]] = []
    for number_of, way in enumerate(report["ways"]):
        best = {name: _is_best(report, way, name) for name in VERDICT}
        cells = [_figure(report[way], name, best[name]) for name in VERDICT]
        rows.append(("", (_named(way, number_of), *cells)))
    controls = dict(report["controls"])
    if COPIED in report:
        controls = {COPIED: report[COPIED], **controls}
    for way, figures in controls.items():
        rows.append(("control", (title(way), *(_figure(figures, name, False) for name in VERDICT))))
    head = ["", *(joined([FIGURES[name], tag("small", UNITS[name])]) for name in VERDICT)]
    return table(head, rows, label="verdict", class_="verdict")


UNITS = {
    "identity": "1 is the same, higher is better",
    "perceptual": "0 is equal, lower is better",
    "age_mae": "years, lower is better",
    "right": "age and person, higher is better",
}


def _named(way: str, place: int) -> Html:
    colour = f"background: var(--way-{place % len(WAYS) + 1})"
    return joined([tag("span", "", class_="swatch", style=colour), title(way)])


def _figure(figures: dict[str, Any], name: str, best: bool) -> Html:
    value, interval = figures[name], figures.get(f"{name}_interval")
    shown = tag("b", told(name, value)) if best else joined([told(name, value)])
    if value is None:
        return joined([shown, tag("small", "not measured")])
    if interval is None or interval[0] == interval[1]:
        return shown
    low, high = (told(name, edge) for edge in interval)
    return joined([shown, tag("small", f"{low} to {high}")])


def _is_best(report: dict[str, Any], way: str, name: str) -> bool:
    """Whether a way is better at a figure than every other, beyond noise."""
    others = {other for other in report["ways"] if other != way}
    beaten = {
        row["one"] if row["other"] == way else row["other"]
        for row in report["paired"]
        if row["figure"] == name and row["better"] == way
    }
    return bool(others) and others <= beaten


def _pairs(report: dict[str, Any]) -> Html:
    ways = report["ways"]
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in report["paired"]:
        pairs.setdefault((row["one"], row["other"]), []).append(row)
    order = sorted(pairs, key=lambda pair: pair[1] not in ways)
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
    if not all(row["few"] for row in rows):
        return [_difference(row) for row in rows]
    most = max(row["portraits"] for row in rows)
    return [tag("li", tag("small", f"{most} portraits in common are too few to tell"))]


def _difference(row: dict[str, Any]) -> Html:
    name = row["figure"]
    low, high = (apart(name, edge).removesuffix(" points") for edge in row["interval"])
    found = "too few to tell" if row["few"] else "within noise"
    if row["better"] is not None:
        found = f"{title(row['better'])} better"
    pill = tag("span", found, class_="pill" if row["better"] is None else "pill won")
    sign = "+" if row["difference"] > 0 else ""
    amount = (
        f"{sign}{apart(name, row['difference'])} ({low} to {high}), {row['portraits']} portraits"
    )
    return tag("li", tag("span", FIGURES[name]), pill, tag("small", amount))


def _plots(evaluation: Evaluation) -> Html:
    shown = (
        tag("figure", Html(themed(svg)), tag("figcaption", CAPTIONS[name]))
        for name, svg in curves(evaluation).items()
    )
    return tag("div", *shown, class_="plots")


def _details(report: dict[str, Any]) -> Html:
    parts: list[Html] = []
    for way in report["ways"]:
        figures = report[way]
        parts += [
            _folded(f"{title(way)} by age", _by(figures["by_target"], "target", "at")),
            _folded(f"{title(way)} by years from the photo", _by(figures["by_gap"], "", "gap")),
            _folded(f"{title(way)}, the rest", _rest(figures)),
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
        "right",
        "known_again",
        "sharpness",
    )
    names = ["n", "identity", "distance", "looks", "age error", "bias", "right"]
    names += ["known again", "sharpness"]
    shown: list[tuple[str, Sequence[object]]] = []
    for row in rows:
        first = f"{row[key]:g}" if key else f"{row['from']:g} to {row['to']:g}"
        cells = [row["portraits"] if c == "portraits" else _cell(c, row[c]) for c in columns]
        shown.append(("beyond" if row.get("beyond") else "", (first, *cells)))
    return table([head, *names], shown, label=head)


def _cell(name: str, value: float | None) -> str:
    return number(value, 1) if name == "predicted_age" else told(name, value)


def _rest(figures: dict[str, Any]) -> Html:
    plain = {
        name: value
        for name, value in figures.items()
        if name not in VERDICT and (value is None or isinstance(value, float))
    }
    rows: list[tuple[str, Sequence[object]]] = []
    for name, value in plain.items():
        note = figures["null"].get(name, "")
        low_high = figures.get(f"{name}_interval")
        shown = told(name, value) if name in SHARES else number(value, 3)
        between = (
            "" if low_high is None else f"{number(low_high[0], 3)} to {number(low_high[1], 3)}"
        )
        rows.append(("", (name.replace("_", " "), shown, between, note)))
    for name in ("reconstruction", "verification", "sets"):
        told_of = figures.get(name) or {}
        for key, value in told_of.items():
            if key.endswith("_interval"):
                continue
            shown = number(value, 4) if isinstance(value, float) else str(value)
            edges = told_of.get(f"{key}_interval")
            between = "" if edges is None else " to ".join(number(edge, 4) for edge in edges)
            rows.append(("", (f"{name}: {key.replace('_', ' ')}", shown, between, "")))
    return table(["figure", "value", "95 %", ""], rows, label="further figures")


def _meanings(report: dict[str, Any]) -> Html:
    judges = report["judges"]
    age = judges["age"] if judges["age"] is not None else "nobody: " + _why(report, "age_mae")
    distance = judges["perceptual"]
    side = f"{judges['compared_at_px']} px, the side of the smallest portrait or truth"
    by = f"by {distance}"
    far = by if distance is not None else f"not measured: {_why(report, 'perceptual')}"
    pairs: list[tuple[object, object]] = [
        ("identity", f"{judges['identity_means']}. Judged by {judges['identity']}."),
        ("distance to the truth", far),
        ("age error", f"mean of |judged age - age asked for|, judged by {age}"),
        (
            FIGURES["right"],
            f"age within {RIGHT_AGE:g} years, and {judges['identity']} takes both for one person "
            f"(limit {judges['identity_limit']:g}). A copied photo is the person and has the wrong "
            "age; a stranger may have the right age.",
        ),
        ("known again", f"share of portraits that {judges['identity']} takes for the person in the "
         "photo they were made from"),
        ("sharpness", "energy of edges (Laplacian after a blur of 0.8 px) over that of the photo: "
         "below 1 is blurrier"),
        ("size", f"every judge sees pictures of at most {side}: what is lost by a smaller size, or "
         "gained by a larger, is in no figure"),
        ("intervals", f"95 % bootstrap over {report[report['ways'][0]]['interval_over']}"),
        ("set distances", _sets_mean(report)),
    ]  # fmt: skip
    return terms(pairs, "terms")


def _sets_mean(report: dict[str, Any]) -> str:
    sets = report[report["ways"][0]].get("sets", {"why_null": "no real pictures were given"})
    if "features" not in sets:
        return f"not measured: {sets['why_null']}"
    names = " and ".join(name for name in sets if f"{name}_floor" in sets)
    return (
        f"{names}: Frechet and kernel distance of the features of {sets['features']} to "
        f"{sets['n']} real pictures ({sets['against']}), beside what as many real pictures have "
        "among themselves (floor, with the interval of its draws); comparable at one n only"
    )


def _why(report: dict[str, Any], name: str) -> str:
    return report[report["ways"][0]]["null"].get(name, "not measured")
