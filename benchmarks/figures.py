"""The figures of the guides are those of `docs/reports/` and of the cards: compared, or written.

    python benchmarks/figures.py            # lists what differs
    python benchmarks/figures.py --write    # puts the figures of the reports into the guides

Each source (`evaluation/sources.py`) is one benchmark: sentences of the guides with `#` in place of
their numbers, and the numbers. A test lists what differs, too.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from evaluation.sources import SOURCES
from evaluation.stored import NUMBER, ROOT, Sentence

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Difference(NamedTuple):
    """A sentence that no page, or more than one, says (page is None), or whose numbers differ."""

    text: str
    page: Path | None
    said: str
    right: str


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--write", action="store_true", help="change the guides")
    write = parser.parse_args().write
    left = False
    for source in SOURCES:
        for one in differences(source, write=write):
            left |= one.page is None or not write
            where = "no page, or several" if one.page is None else one.page.relative_to(ROOT)
            print(f"{source.__name__}, {where}: {one.said} -> {one.right}")
    sys.exit(1 if left else 0)


def differences(source: Callable[[], Iterator[Sentence]], *, write: bool) -> list[Difference]:
    """What the guides say otherwise than a source; write puts the source's figures there."""
    return [found for text, values in source() if (found := _differs(text, values, write))]


def _differs(text: str, values: Iterable[float], write: bool) -> Difference | None:
    """Numbers are compared as rounded to the digits that the page shows."""
    pattern = re.compile(
        re.escape(text).replace(r"\#", NUMBER).replace(r"\ ", r"\s+"), flags=re.DOTALL
    )
    found = [
        (page, match)
        for page in PAGES
        for match in pattern.finditer(page.read_text(encoding="utf-8"))
    ]
    if len(found) != 1:
        return Difference(text, None, text, f"said {len(found)} times")
    page, match = found[0]
    said, right = match.group(0), match.group(0)
    for number, value in reversed(list(zip(range(1, text.count("#") + 1), values, strict=True))):
        start, end = (place - match.start() for place in match.span(number))
        right = right[:start] + _like(match.group(number), value) + right[end:]
    if said == right:
        return None
    if write:
        content = page.read_text(encoding="utf-8")
        page.write_text(content.replace(said, right), encoding="utf-8")
    return Difference(text, page, " ".join(said.split()), " ".join(right.split()))


def _like(shown: str, value: float) -> str:
    """The value as a page shows it: with its digits, and its sign where the page gives a plus.

    A page that rounds the last digit to either side is right.
    """
    digits = len(shown.partition(".")[2])
    if abs(float(shown) - value) <= 0.501 * 10**-digits:
        return shown
    text = f"{value:{'+' if shown[0] == '+' else ''}.{digits}f}"
    return text[1:] if float(text) == 0 and text[0] == "-" else text


if __name__ == "__main__":
    main()
