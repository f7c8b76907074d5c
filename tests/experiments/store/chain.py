"""A chain of cells in a store: a training, its embedding and a question, computed as jobs compute them."""

import random

from mi_ray.experiments.store.files import append_line
from mi_ray.experiments.store.healing import UPSTREAM_CONTENT, heal, settled

TRAINING, EMBEDDING, QUESTION = "training-0", "embedding-0", "evaluation-0"
NEEDS = {TRAINING: None, EMBEDDING: TRAINING, QUESTION: EMBEDDING}


def compute(store, key, payload="weights"):
    """Compute a cell as a job does: not at all if it is settled; returns whether it was computed."""
    upstream = NEEDS[key]
    if settled(store, key, upstream):
        return False
    content = store.read(upstream).content if upstream else None
    attempt = store.attempt(key)
    (attempt.payload / "h.safetensors").write_text(f"{payload} of {key}")
    append_line(attempt.payload / "history.jsonl", {"step": 1, "loss_nats": 2.5})
    manifest = {"upstream": upstream, UPSTREAM_CONTENT: content, "seconds": random.random()}
    attempt.publish(manifest, result={"bits": 1.5}, declaration={"seed": 0})
    return True


def run(store, payload="weights"):
    """Heal, then compute what is missing: the keys that were set aside, and those that were computed."""
    aside = heal(store, NEEDS)
    return {each.key for each in aside}, {key for key in NEEDS if compute(store, key, payload)}


def shown(store):
    """What every cell shows to a reader who asks the store first; None of a cell that is not committed."""
    cells = {key: store.read(key) if store.has(key) else None for key in NEEDS}
    return {key: cell and (cell.result, cell.history, cell.declaration) for key, cell in cells.items()}
