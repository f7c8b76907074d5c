"""One page of all that a store holds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from mi_ray import bundled


def main(argv: Sequence[str]) -> int:
    """Write the page; the flags are those of ``analysis/report.py``."""
    bundled.make_importable()
    return import_module("analysis.report").main(argv)
