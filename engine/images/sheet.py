"""Contact sheets: pictures in a grid, each with a caption."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (24, 25, 28)
INK = (225, 226, 230)
FAINT = (140, 143, 150)


def contact_sheet(
    pictures: Sequence[np.ndarray],
    captions: Sequence[str],
    *,
    columns: int,
    cell: int = 160,
    title: str = "",
) -> np.ndarray:
    """Lay uint8 RGB pictures (h, w, 3) out in rows of `columns`; returns uint8 RGB (H, W, 3).

    Pictures are shrunk to `cell` pixels a side; a caption may have a second, fainter line.
    """
    gap, text = cell // 16, max(cell // 12, 11)
    line = text + 4
    rows = -(-len(pictures) // columns)
    head = 3 * line if title else gap
    width, step = gap + columns * (cell + gap), cell + 2 * line + gap
    sheet = Image.new("RGB", (width, head + rows * step), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    if title:
        draw.text((gap, line), title, INK, ImageFont.load_default(text * 1.3))
    for index, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = gap + index % columns * (cell + gap), head + index // columns * step
        tile = Image.fromarray(pixels).resize((cell, cell), Image.Resampling.LANCZOS)
        sheet.paste(tile, (left, top))
        for number, words in enumerate(caption.split("\n")[:2]):
            ink = FAINT if number else INK
            draw.text((left, top + cell + 2 + number * line), _fit(words, font, cell), ink, font)
    return np.asarray(sheet)


def _fit(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut words that are wider than their picture, and show that they were cut."""
    if font.getlength(words) <= width:
        return words
    while words and font.getlength(words + "…") > width:
        words = words[:-1]
    return words + "…"
