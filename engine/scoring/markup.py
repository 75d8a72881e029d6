"""HTML of the report in small pieces: escaped text, tables, embedded pictures."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO

from PIL import Image

from engine.faces.rotation import Pixels
from engine.scoring.material import at_side

SHOWN = 264
"""Side of an embedded picture: twice what the page shows, for fine screens."""
QUALITY = 88


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as markup: what is markup stays, the rest is escaped."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def tag(name: str, *content: object, **attributes: str) -> Html:
    """An element; attributes that are Python words carry an underscore at their end.

    >>> tag("td", "a < b", class_="left")
    '<td class="left">a &lt; b</td>'
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{told}>{''.join(map(text, content))}</{name}>")


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
    """Something wide, in a box of its own that scrolls."""
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
    """Names and what they are."""
    told = (
        tag("div", tag("dt", name), tag("dd", value)) if class_ == "facts" else
        joined([tag("dt", name), tag("dd", value)])
        for name, value in pairs
    )  # fmt: skip
    return tag("dl", *told, class_=class_)
