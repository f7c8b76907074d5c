"""The command of every figure: its flags, and the plan that they ask for.

An analysis has a `Draw`, which reads with `mirrored_cells` and returns what `publish` returns, and ends with
``sys.exit(main(STUDY, draw))``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.prepared import prepared
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.plan.study import Draw, Study, parse_axes
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.running.order import made_with, plan_of


def planned(study: Study, preset: str, axes: Sequence[str], store: Store) -> Plan:
    """A study's plan for a preset and ``NAME=VALUE`` overrides; refuses images that the store does not hold."""

    @cache
    def digest(data: Any) -> str:
        images = prepared(data, store)
        if images is None:
            raise Refused(
                f"store: {store.name} holds no images for preset {preset!r} and these axes; run the sweep first"
            )
        return images.digest

    given = parse_axes(study, axes)
    return replace(plan_of(study, study.grid(preset, given), digest, store), made_with=made_with(preset, given))


def main(study: Study, draw: Draw, argv: Sequence[str] | None = None) -> int:
    """Draw a study's figures and print their paths; 1, with one line per reason, where that is refused."""
    flags = flags_of(study, sys.modules[draw.__module__].__doc__).parse_args(argv)
    from mi_ray.tracking.reach import Unreachable, sqlite_uri

    try:
        store = store_at(flags.store)
        store.refuse_if_unreachable()
        plan = planned(study, flags.preset, flags.axis, store)
        uri = flags.tracking_uri or sqlite_uri(store.root.resolve() / "mlflow.db")
        out = flags.out or store.root / "figures" / study.name / flags.preset
        written = draw(plan, uri, out, partial=flags.partial)
    except (Refused, Unreachable) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


def flags_of(study: Study, description: str | None) -> argparse.ArgumentParser:
    """The flags of every figure's command."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--preset", default=study.default_preset, help="of the sweep: %(default)s if not given")
    flags.add_argument("--axis", action="append", default=[], metavar="NAME=V[,V]", help="as given to the sweep")
    flags.add_argument("--store", default="runs", help="the sweep's store, a folder or bucket (%(default)s)")
    flags.add_argument("--tracking-uri", help="MLflow; the database in the store if not given")
    flags.add_argument("--out", type=Path, help="folder for the figures; the sweep's own if not given")
    flags.add_argument("--partial", action="store_true", help="show missing cells as such instead of refusing")
    return flags
