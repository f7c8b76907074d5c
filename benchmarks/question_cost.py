"""Cost of the MI questions of each encoder beside that of its training, on the same cores, and the widths of their
brackets, from a store's manifests and results.

python benchmarks/question_cost.py runs

Estimations of several protocols, which a store has if checkouts of several versions ran a study there, are told apart.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from mi_ray.experiments.store.store import CommittedCell, Store

Asked = tuple[float, float]
"""Seconds of an estimation, and the width of its bracket in bits."""


def costs(store: Store) -> dict[str, tuple[float, dict[int, list[Asked]]]]:
    """By training: its seconds, and those of each estimation of its encoder with the width of its bracket, by
    protocol."""
    cells = {
        path.name: CommittedCell(path) for path in sorted(store.cells.iterdir()) if (path / "manifest.json").is_file()
    }
    asked: dict[str, dict[int, list[Asked]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells.values():
        if cell.manifest["kind"] == "estimation":
            training = cells[cell.manifest["upstream"]].manifest["upstream"]
            width = cell.result.get("epsilon_bits", float("nan"))
            asked[training][cell.manifest["protocol"]].append((cell.manifest["seconds"], width))
    return {key: (cells[key].manifest["seconds"], dict(questions)) for key, questions in asked.items()}


def main(folder: str = "runs") -> None:
    """One line per encoder and protocol of estimations, and the sum of all widths of each protocol."""
    total: dict[int, float] = defaultdict(float)
    for key, (training, asked) in costs(Store(Path(folder))).items():
        for protocol, questions in sorted(asked.items()):
            seconds, width = (sum(column) for column in zip(*questions, strict=True))
            total[protocol] += width
            told = f"{len(questions)} MI questions of protocol {protocol} {seconds:.1f} s, {seconds / training:.1%}"
            print(f"{key}: training {training:.0f} s, {told}; brackets {width:.2f} bits wide in sum")
    for protocol, width in sorted(total.items()):
        print(f"protocol {protocol}: all brackets {width:.2f} bits wide in sum")


if __name__ == "__main__":
    main(*sys.argv[1:])
