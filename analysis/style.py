"""The style of every figure: ink, paper, and files that are the same, byte for byte, when drawn again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

INK, PAPER, FAINT = "#1c1c1c", "#ffffff", "#6b6b6b"
STYLE: dict[str, Any] = {"font.family": "DejaVu Sans", "pdf.fonttype": 42}
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
"""Of the files: no date or version, which would change from one drawing to the next."""


def save(drawing: Callable[[], Figure], stem: Path, **style: Any) -> list[Path]:
    """Draw in the house's style and the settings of ``style``, and write ``stem``.png and .pdf."""
    paths = {suffix: stem.with_suffix(f".{suffix}") for suffix in METADATA}
    with mpl.rc_context(mpl.RcParams(STYLE | style)):
        figure = drawing()
        for suffix, metadata in METADATA.items():
            figure.savefig(paths[suffix], dpi=200, metadata=metadata)
    return list(paths.values())
