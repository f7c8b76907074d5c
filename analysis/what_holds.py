"""What of the paper holds, and what does not: its equations and printed tables looked at again, and runs' verdicts.

Prints a page of markdown: verdicts of the studies whose figures are in the store, the excess of Eq. 4 over the mutual
information, the ceilings of K = 256 on ImageNet-1k, one measurement in two columns, a row with another's numbers, and
the two encoders that make Table VI's order. Only the verdicts need runs.

    python analysis/what_holds.py
    python analysis/what_holds.py --store runs --out docs/what-holds.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mi_ray.experiments.declare.checks import Refused

if TYPE_CHECKING:
    from analysis.verdict import Verdict

PRINTED = Path(__file__).parent / "paper" / "printed.csv"
"""The rows of Tables IV to IX, as the paper prints them."""


def verdicts(store: Path) -> Iterator[Verdict]:
    """The verdict of every folder of figures of a store, by study and preset."""
    from analysis import verdict

    for path in sorted(store.glob(f"figures/*/*/{verdict.FILE}")):
        yield verdict.read(path.parent)


def main(argv: Sequence[str] | None = None) -> int:
    """Print or write the page; 1, with one line on why, if a file cannot be read."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--store", type=Path, default=Path("runs"), help="whose verdicts are shown: %(default)s")
    flags.add_argument("--out", type=Path, metavar="FILE", help="write the page here, instead of to the screen")
    given = flags.parse_args(argv)
    from analysis.agreement.csv_table import read
    from analysis.paper.page import page

    made_by = f"python analysis/what_holds.py --store {given.store}" + (f" --out {given.out}" if given.out else "")
    try:
        text = page(read(PRINTED), verdicts(given.store), str(given.store), made_by)
        if given.out:
            given.out.write_text(text)
    except (Refused, OSError) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(given.out or text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
