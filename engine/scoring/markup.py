"""HTML of the report in small pieces: escaped text, tables, embedded pictures."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from io import BytesIO

from PIL import Image

from engine.faces.rotation import Pixels
from engine.scoring.material import at_side

SHOWN = 264
"""Side of an embedded picture: twice that on the page, for high-density screens."""
QUALITY = 88


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as markup: what is markup stays, the rest is escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def tag(name: str, *content: object, **attributes: str) -> Html:
    """An element; attributes that are Python keywords end in an underscore.

    >>> tag("td", "a < b", class_="left")
    '<td class="left">a &lt; b</td>'
    """
    markup = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{markup}>{''.join(map(text, content))}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Markup one after another."""
    return Html("".join(map(text, parts)))


def picture(pixels: Pixels, alt: str) -> Html:
    """An embedded JPEG of at most 264 px."""
    buffer = BytesIO()
    small = at_side(pixels, min(SHOWN, len(pixels)))
    Image.fromarray(small).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    data = b64encode(buffer.getvalue()).decode("ascii")
    side = str(len(small))
    source = f"data:image/jpeg;base64,{data}"
    return Html(
        f'<img src="{source}" alt="{escape(alt)}" width="{side}" height="{side}" loading="lazy">'
    )


def scrolled(content: Html, label: str) -> Html:
    """Wide content in a box that scrolls."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=label)


def table(
    head: Sequence[object],
    rows: Iterable[tuple[str, Sequence[object]]],
    *,
    label: str,
    class_: str = "",
) -> Html:
    """A table that scrolls by itself; each row has a class and its cells, the first a heading."""
    heads = joined(tag("th", cell, scope="col") for cell in head)
    lines = joined(
        tag("tr", tag("th", cells[0], scope="row"), *(tag("td", c) for c in cells[1:]), class_=kind)
        for kind, cells in rows
    )
    return scrolled(
        tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines), class_=class_), label
    )


def terms(pairs: Iterable[tuple[object, object]], class_: str) -> Html:
    """A list of terms with their definitions."""
    entries = (
        tag("div", tag("dt", name), tag("dd", value)) if class_ == "facts" else
        joined([tag("dt", name), tag("dd", value)])
        for name, value in pairs
    )  # fmt: skip
    return tag("dl", *entries, class_=class_)


def document(heading: str, body: Html) -> str:
    """A whole HTML file with the style sheet of reports; heading: its title, as text."""
    style = files("engine.scoring").joinpath("page.css").read_text("utf-8")
    head = joined(
        [
            Html('<meta charset="utf-8">'),
            Html('<meta name="generator" content="tm">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            tag("title", heading),
            Html(f"<style>\n{style}</style>"),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'
