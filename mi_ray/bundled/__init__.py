"""The studies and analyses that come with mi-ray: packages ``sweeps`` and ``analysis``.

In a checkout they lie beside ``mi_ray``. In an installation they lie in this folder, so that an installed mi-ray takes
no name but its own, and are found last, so that folders of yours with these names come first.
"""

from __future__ import annotations

import sys
from pathlib import Path


def folder() -> Path:
    """The folder that holds ``sweeps`` and ``analysis``."""
    here = Path(__file__).resolve().parent
    return here if (here / "sweeps").is_dir() else here.parents[1]


def make_importable() -> None:
    """Let Python find ``sweeps`` and ``analysis``."""
    if (place := str(folder())) not in sys.path:
        sys.path.append(place)
