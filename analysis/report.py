"""All studies on one page: the claim on trial, the verdict, the figures and where every number comes from.

Collects what sweeps have drawn below ``<store>/figures`` and writes one HTML file that needs no network and no script:
it can be mailed, printed and kept.

    python analysis/report.py
    python analysis/report.py --store runs --out runs/report.html
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.page.collect import collect
from analysis.page.page import page
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.store.store import store_at


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and print its path; 1, with one line on why, when that cannot be done."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--store", default="runs", help="the sweeps' store, a folder or bucket (%(default)s)")
    flags.add_argument("--out", type=Path, help="the page; report.html in the store if not given")
    flags.add_argument("--tracking-uri", help="MLflow as the page names it; the database in the store if not given")
    given = flags.parse_args(argv)
    try:
        out = given.out or store_at(given.store).root / "report.html"
        text = page(collect(given.store, given.tracking_uri))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (Refused, OSError) as reason:
        print(" ".join(str(reason).split()), file=sys.stderr)
        return 1
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
