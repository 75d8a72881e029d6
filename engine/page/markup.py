"""Pieces of HTML: everything that is not ours is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.faces.rotation import Pixels
from engine.page.files import address
from engine.page.pictures import jpeg

IDENTITY = "1 is the same picture, 0 somebody else"


def picture(pixels: Pixels, alt: str, *, kind: str = "", made: dict[str, Any] | None = None) -> str:
    """A picture (h, w, 3) inside the page; made: what it says of itself where tm made it."""
    data = b64encode(jpeg(pixels, made)).decode("ascii")
    return f'<img class="{kind}" alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def before_after(before: Pixels, after: Pixels, alt: str, made: dict[str, Any]) -> str:
    """Two pictures of one shape, one over the other, parted where the slider below them says."""
    height, width = before.shape[:2]
    return (
        f'<div class="tm-view" style="--ratio:{width / height:.4f}">'
        + picture(before, "the photograph as it is", kind="tm-before")
        + picture(after, alt, kind="tm-after", made=made)
        + '<span class="tm-line"></span></div>'
    )


def facts(rows: Mapping[str, str], *, face: Pixels | None = None, caption: str = "") -> str:
    """A list of named facts, beside the face that they are about."""
    shown = ""
    if face is not None:
        shown = (
            f"<figure>{picture(face, caption)}<figcaption>{escape(caption)}</figcaption></figure>"
        )
    lines = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows.items())
    return f'<div class="tm-facts">{shown}<dl>{lines}</dl></div>'


def notes(texts: Iterable[str], kind: str = "warning") -> str:
    """Sentences in a box each; kind: `warning`, `refused` or `hint`."""
    return "".join(f'<p class="tm-note tm-{kind}">{escape(text)}</p>' for text in texts)


def saved(path: Path, text: str) -> str:
    """A link that saves a file of the session."""
    return f'<a class="tm-save" href="{link(path)}?save" download>{escape(text)}</a>'


def shown(path: Path, alt: str) -> str:
    """A picture of the session's folder."""
    return f'<img class="tm-wide" alt="{escape(alt)}" src="{link(path)}">'


def embedded(report: str, title: str) -> str:
    """A whole page inside this one: it runs no script and has no part in this page's origin."""
    return (
        f'<iframe class="tm-report" sandbox title="{escape(title)}" srcdoc="{escape(report)}">'
        "</iframe>"
    )


def drawing(svg: str, alt: str) -> str:
    """An SVG as a picture, which runs no script either."""
    data = b64encode(svg.encode("utf-8")).decode("ascii")
    return f'<img class="tm-wide" alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">'


def link(path: Path) -> str:
    """The address of a file of the session, as an attribute."""
    return escape(quote(address(path), safe="/="))


def estimates(row: Mapping[str, Any]) -> dict[str, str]:
    """How sure: what evaluators say of a picture, from a row of `results.jsonl`."""
    known: dict[str, str] = {}
    if row.get("predicted_age") is not None:
        known["looks"] = f"{row['predicted_age']:.0f} (estimated by {row['age_by']})"
    if row.get("identity") is not None:
        known["identity"] = f"{row['identity']:.2f} by {row['identity_by']} ({IDENTITY})"
    return known
