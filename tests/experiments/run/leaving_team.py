"""One worker of two, as a process: trains, leaves because the second one's machine goes, and goes on. Run by
test_train_together, which reads what the first one prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from mi_ray.compute.training.workers import Workers
from mi_ray.experiments.run import loop
from mi_ray.experiments.store.store import Store
from tests.compute.training.team import STEPS, trainer


def main(rank: int, meeting: str, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    loop.REPORTS, loop.LOOK_SECONDS = 1, 0.0
    store, team = Store(Path(folder)), Workers.here()

    def run(key: str, leaves_at: int = STEPS) -> list[dict[str, float]] | str:
        member = trainer("nt_xent", team)
        try:
            attempt = store.attempt(key) if team.first else None
            return loop.train(member, attempt, lambda: rank == 1 and member.step_number == leaves_at).records
        except loop.Leaving as leaving:
            return str(leaving)

    histories = {"whole": run("training-whole"), "left": run("training-cut", 2), "resumed": run("training-cut")}
    if team.first:
        print(json.dumps(histories))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
