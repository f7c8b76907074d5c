"""Cost of the MI questions of each encoder beside that of its training, on the same cores, from a store's manifests.

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
    seconds_by_training: dict[str, list[float]] = defaultdict(list)
    for cell in cells.values():
        if cell.manifest["kind"] == "estimation":
            seconds_by_training[cells[cell.manifest["upstream"]].manifest["upstream"]].append(cell.manifest["seconds"])
    return {key: (cells[key].manifest["seconds"], seconds) for key, seconds in seconds_by_training.items()}


def main(folder: str = "runs") -> None:
    """One line per encoder."""
    for key, (training, questions) in costs(Store(Path(folder))).items():
        share = sum(questions) / training
        print(f"{key}: training {training:.0f} s, {len(questions)} MI questions {sum(questions):.1f} s, {share:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
