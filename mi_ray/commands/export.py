"""All results of a store as a table: one row for each number, with its standard error, unit and full declaration.

mi-ray export --store runs --out results.csv
mi-ray export --store runs --out results.parquet --wide      # one row for each cell
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import refuse, say
from mi_ray.running.exit import DONE, before_the_start

FORMATS = (".csv", ".parquet")


def main(argv: Sequence[str]) -> int:
    """Write the table and print its path and size."""
    flags = Flags("export", __doc__)
    flags.add_argument("--out", type=Path, default=Path("results.csv"), help="a .csv or .parquet file (%(default)s)")
    flags.add_argument("--wide", action="store_true", help="one row for each cell instead of each number")
    flags.add_store()
    given = flags.parse_args(argv)
    if given.out.suffix not in FORMATS:
        raise refuse("out", str(given.out), f"a name that ends in {' or '.join(FORMATS)}")
    from mi_ray.table import read

    frame = read(given.store, long=not given.wide)
    with before_the_start():
        if given.out.suffix == ".csv":
            frame.to_csv(given.out, index=False)
        else:
            for name in frame.columns:  # a column of parquet has one type, and results of a name may have two
                if frame[name].dtype == object and frame[name].map(type).nunique() > 1:
                    frame[name] = frame[name].map(lambda value: None if value is None or value != value else str(value))
            frame.to_parquet(given.out, index=False)
    say(f"{given.out}: {len(frame):,} rows, {frame.shape[1]} columns")
    return DONE
