"""The style of every figure: ink, paper, and files that are the same, byte for byte, when drawn again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

INK, PAPER, FAINT = "#1c1c1c", "#ffffff", "#6b6b6b"
STYLE: dict[str, Any] = {"font.family": "DejaVu Sans", "pdf.fonttype": 42}
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
"""Of the files: no date or version, which would change from one drawing to the next."""

LEGIBLE = 4.5
"""Least contrast of a text with what is behind it: level AA of WCAG 2.2, success criterion 1.4.3."""

DARKEST, LIGHTEST = "#000000", "#ffffff"
"""Inks over colour. One of them is legible on every colour: at worst with a contrast of 4.58. `INK` would reach 4.1."""


def luminance(colour: ColorType) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: ColorType, other: ColorType) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(ground: ColorType) -> str:
    """The colour of a text over ``ground``: `DARKEST` or `LIGHTEST`, whichever has more contrast."""
    return max(DARKEST, LIGHTEST, key=lambda ink: contrast(ink, ground))


def save(drawing: Callable[[], Figure], stem: Path, **style: Any) -> list[Path]:
    """Draw in the house's style and the settings of ``style``, and write ``stem``.png and .pdf."""
    paths = {suffix: stem.with_suffix(f".{suffix}") for suffix in METADATA}
    with mpl.rc_context(mpl.RcParams(STYLE | style)):
        figure = drawing()
        for suffix, metadata in METADATA.items():
            figure.savefig(paths[suffix], dpi=200, metadata=metadata)
    return list(paths.values())
