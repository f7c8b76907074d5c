"""What the MI questions of each encoder cost beside its training, on the same cores: from the manifests of a store.

python benchmarks/question_cost.py runs
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from mi_ray.experiments.store.store import CommittedCell, Store


def costs(store: Store) -> dict[str, tuple[float, list[float]]]:
    """By training: its seconds, and those of each estimation of its encoder."""
    cells = {
        path.name: CommittedCell(path) for path in sorted(store.cells.iterdir()) if (path / "manifest.json").is_file()
    }
    asked: dict[str, list[float]] = defaultdict(list)
    for cell in cells.values():
        if cell.manifest["kind"] == "estimation":
            asked[cells[cell.manifest["upstream"]].manifest["upstream"]].append(cell.manifest["seconds"])
    return {key: (cells[key].manifest["seconds"], seconds) for key, seconds in asked.items()}


def main(folder: str = "runs") -> None:
    """One line per encoder."""
    for key, (training, questions) in costs(Store(Path(folder))).items():
        share = sum(questions) / training
        print(f"{key}: training {training:.0f} s, {len(questions)} MI questions {sum(questions):.1f} s, {share:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
