"""Everything that a store knows about a cell: declaration, result, history, provenance, files.

mi-ray show estimation-0165d9 --store runs     # the beginning of a key is enough
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import Refused, did_you_mean, say
from mi_ray.experiments.declare.identity import flat
from mi_ray.experiments.store.cell import CommittedCell
from mi_ray.experiments.store.manifest import Damaged
from mi_ray.experiments.store.store import Store
from mi_ray.running.exit import DONE
from mi_ray.table import existing

SHOWN = 8
"""Reports of a history that are shown, evenly spread."""


def main(argv: Sequence[str]) -> int:
    """Print a cell, as text or JSON."""
    flags = Flags("show", __doc__)
    flags.add_argument("cell", help="a key, or its beginning")
    flags.add_argument("--json", action="store_true", help="declaration, result, history and manifest as JSON")
    flags.add_store()
    given = flags.parse_args(argv)
    cell = found(existing(given.store), given.cell)
    try:
        if given.json:
            parts = ("declaration", "result", "history", "manifest")
            say(json.dumps({"key": cell.key} | {part: getattr(cell, part) for part in parts}, indent=1))
        else:
            say(*lines_of(cell))
    except Damaged as reason:
        raise Refused(str(reason)) from reason
    return DONE


def found(store: Store, start: str) -> CommittedCell:
    """The one cell whose key begins with ``start``; `Refused` if there is none, or several."""
    keys = sorted(store.backend.present())
    matching = [key for key in keys if key.startswith(start)]
    if start in keys:
        matching = [start]
    if len(matching) != 1:
        those = f"it stands for {len(matching)} cells" if matching else f"no cell begins so{did_you_mean(start, keys)}"
        raise Refused(f"cell: {start!r} is not allowed ({those}); allowed: the beginning of one key of `mi-ray ls`")
    return store.read(matching[0])


def lines_of(cell: CommittedCell) -> Iterator[str]:
    """A cell as text."""
    manifest = cell.manifest
    yield f"{cell.key}  in {cell.place}"
    yield from section("declared", {f"{k}.{n}": v for k, own in cell.declaration.items() for n, v in flat(own).items()})
    yield from section("result", {name: value for name, value in cell.result.items() if not isinstance(value, list)})
    if history := cell.history:
        yield f"history: {len(history)} reports"
        step = max(1, -(-len(history) // SHOWN))
        for report in [*history[:-1:step], history[-1]]:
            yield "  " + "  ".join(f"{name} {value:.6g}" for name, value in report.items())
    when = datetime.fromtimestamp(manifest["committed_at"], UTC) if "committed_at" in manifest else None
    committed = {"committed": f"{when:%Y-%m-%d %H:%M:%S} UTC"} if when else {}
    told = {k: v for k, v in manifest.items() if k not in ("files", "committed_at") and not isinstance(v, list)}
    yield from section("computed", committed | flat(told))
    yield from section("files (sha256)", manifest["files"])


def section(title: str, values: dict[str, Any]) -> Iterator[str]:
    """A title and a line for each value that is there."""
    yield f"{title}:"
    width = max(map(len, values), default=0)
    for name, value in values.items():
        if value not in ("", None):
            yield f"  {name:<{width}}  {value:.6g}" if isinstance(value, float) else f"  {name:<{width}}  {value}"
