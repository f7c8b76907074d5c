"""A byte flipped in any file of real cells: the cell is computed again, and every file gets the same bytes."""

import random

import pytest
import torch

from mi_ray.experiments.declare import CDP, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.files import sha256
from mi_ray.experiments.store.healing import heal
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DATA = CDP(train_images=1024, validation_images=1024, test_images=1024)
TRAINING = Training(
    data=DATA, pairing=SameClass(task="color"), arch="test_resnet", k_tr=16, views=16 * 2 * 4, hidden=32, out=16
)
QUESTION = LinearEvaluation(embedding=Embedding(encoder=TRAINING), task="color")


@pytest.mark.slow
@pytest.mark.fault("F16", "one byte of a random file of real cells flipped, 24 times")
def test_real_cells_come_out_with_the_same_bytes_after_any_flip(tmp_path, recovery):
    store, rng = Store(tmp_path / "store"), random.Random(1)
    store.prepare()
    data = prepare(DATA, store)
    plan = build([QUESTION], lambda declared: data.digest)
    needs = {key: cell.upstream for key, cell in plan.cells.items()}

    def bytes_of_cells():
        return {p.relative_to(store.cells): sha256(p) for p in store.cells.glob("*/*") if p.name != "manifest.json"}

    def computed():
        found = [aside.key for aside in heal(store, needs)]
        missing = plan.missing_jobs(store)
        run_here(missing, {data.digest: data}, store, Quiet(), loaders=0)
        return found, sum(len(job.cells) for job in missing)

    assert computed() == ([], len(plan.cells))
    whole, again = bytes_of_cells(), 0
    for _ in range(24):
        path = rng.choice(sorted(store.cells.glob("*/*")))
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
        path.write_bytes(content)
        found, count = computed()
        again += count
        assert path.parent.name in found
        assert bytes_of_cells() == whole
        assert plan.missing_jobs(store) == []
    recovery.redone = f"{again} cells"
    assert torch.isfinite(torch.tensor(store.read(list(plan.cells)[-1]).result["linear_accuracy"]))
