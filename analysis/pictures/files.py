"""A picture as a small png that says itself, in its metadata, what is seen on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from analysis.style import FAINT, INK, STYLE

DPI, COLOURS = 110, 96
"""Dots per inch and colours of a png: a page of many pictures stays small."""

DESCRIPTION = "Description"
"""The key of the text in a png (PNG specification, 11.3.3.2)."""


def save_picture(drawing: Callable[[], Figure], path: Path, alt: str, **style: Any) -> Path:
    """Draw, and write a png whose metadata hold ``alt``; the same drawing gives the same bytes."""
    drawn, told = BytesIO(), PngInfo()
    with mpl.rc_context(mpl.RcParams(STYLE | style)):
        drawing().savefig(drawn, dpi=DPI, format="png", metadata={"Software": None})
    told.add_itxt(DESCRIPTION, alt)
    image = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(path, optimize=True, pnginfo=told)
    return path


def description(png: bytes) -> str:
    """What a png says that is seen on it; empty if it says nothing or is none."""
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as image:
            image.load()
            return str(image.info.get(DESCRIPTION, ""))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""


def write_around(figure: Figure, title: str, lines: Sequence[str]) -> None:
    """The title above and the caption below, both in the margins that `margin` asks for."""
    across, up = figure.get_size_inches()
    figure.text(0.1 / across, 1 - 0.1 / up, title, fontsize=10, weight="bold", va="top", color=INK)
    for above, line in enumerate(reversed(wrapped(lines, across))):
        figure.text(0.1 / across, (0.1 + 0.14 * above) / up, line, fontsize=7, color=FAINT)


def margin(lines: Sequence[str], across: float) -> float:
    """Inches that a caption takes below a figure ``across`` inches wide."""
    return 0.2 + 0.14 * len(wrapped(lines, across))


def wrapped(lines: Sequence[str], across: float) -> list[str]:
    """Lines of a caption, broken where they would be wider than the figure."""
    return [part for line in lines for part in wrap(line, max(24, int((across - 0.2) / 0.052)))]
