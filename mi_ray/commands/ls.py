"""List the finished cells of a store: key, what was asked of which encoder, the main result.

mi-ray ls --store runs
mi-ray ls 'estimation-*' --store runs          # keys that match
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, LOSS, LOWER, NOMINAL, UPPER
from mi_ray.experiments.store.cell import CommittedCell
from mi_ray.running.exit import DONE

MAIN = (NOMINAL, BALANCED_ACCURACY, LOSS)
"""The result that is shown of a cell is the first of these that it has, or else its first number."""


def main(argv: Sequence[str]) -> int:
    """Print a line for each cell, and how many there are of each kind."""
    flags = Flags("ls", __doc__)
    flags.add_argument("glob", nargs="?", default="*", help="of keys, such as 'estimation-*' (all)")
    flags.add_store()
    given = flags.parse_args(argv)
    from mi_ray.table import cells_of, kind_of

    counts: dict[str, int] = {}
    for cell in cells_of(given.store):
        if fnmatchcase(cell.key, given.glob):
            say(line_of(cell))
            counts[kind_of(cell.key)] = counts.get(kind_of(cell.key), 0) + 1
    if not counts:
        raise Refused(f"glob: {given.glob!r} matches no cell of {given.store!r}; allowed: part of a key with *")
    say("", f"{sum(counts.values())} cells: {', '.join(f'{n} {kind}' for kind, n in counts.items())}")
    return DONE


def line_of(cell: CommittedCell) -> str:
    """A cell in a line."""
    from mi_ray.table import described

    own = described(cell)
    subject = " ".join(str(own[name]) for name in ("arch", "pairing") if own[name])
    asked = f"asked {own['task']}" if own["task"] else ""
    seed = f"seed {own['seed']}" if own["seed"] is not None else ""
    told = "  ".join(filter(None, [subject, asked, seed, result_of(cell)]))
    return f"{cell.key:<32}  {told}".rstrip()


def result_of(cell: CommittedCell) -> str:
    """The main result of a cell, with its bracket if it has one."""
    result = cell.result
    for measure in MAIN:
        if isinstance(result.get(measure.name), float):
            value = f"{measure.label} {result[measure.name]:.{measure.digits}f} {measure.unit}".rstrip()
            if LOWER.name in result and UPPER.name in result:
                value += f", true value in {result[LOWER.name]:.2f} to {result[UPPER.name]:.2f}"
            return value
    return next((f"{name} {value:.4g}" for name, value in result.items() if isinstance(value, float)), "")
