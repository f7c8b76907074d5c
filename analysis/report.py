"""All studies on one page: the claim on trial, the verdict, the figures and where every number comes from.

Collects what sweeps have drawn below ``<store>/figures`` and writes one HTML file that needs no network and no script:
it can be mailed, printed and kept. Beside each study's own figures it draws, once, what every study has: positive
pairs, training curves, a map of embeddings and the confusion of its probes.

    python analysis/report.py
    python analysis/report.py --store runs --out runs/report.html
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.store import Store, store_at


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and print its path; 1, with one line on why, when that cannot be done."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--store", default="runs", help="the sweeps' store, a folder or bucket (%(default)s)")
    flags.add_argument("--out", type=Path, help="the page; report.html in the store if not given")
    flags.add_argument("--tracking-uri", help="MLflow as the page names it; the database in the store if not given")
    given = flags.parse_args(argv)
    from analysis.page.collect import collect
    from analysis.page.page import page

    try:
        store = store_at(given.store)
        out = given.out or store.root / "report.html"
        draw_pictures(store)
        text = page(collect(given.store, given.tracking_uri))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (Refused, OSError) as reason:
        print(" ".join(str(reason).split()), file=sys.stderr)
        return 1
    print(out)
    return 0


def draw_pictures(store: Store) -> None:
    """Draw the pictures that every study has into its folder of figures, where they are not there yet.

    A store that cannot be written keeps those that it has.
    """
    from analysis.page.collect import folders
    from analysis.page.provenance import listed_cells
    from analysis.pictures.draw import draw
    from analysis.verdict import CELLS

    store.refuse_if_unreachable()
    for folder in folders(store.root):
        with suppress(OSError):
            draw(folder, [(cell.key, cell.kind, cell.name) for cell in listed_cells(folder / CELLS)], store)


if __name__ == "__main__":
    sys.exit(main())
