"""Keys stand still: a store that an earlier version filled is found again.

If one moves, so does every number that rests on it: raise the protocol of its kind, say so in the CHANGELOG, and write
the new key here. Trainings, checkpoints, embeddings and views have the keys that version 0.1.0 gave them.
"""

import pytest

from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    Quality,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
    color_jitter,
)
from mi_ray.experiments.declare.identity import cell_key

CLASSES = Training(
    data=CDP(canvas=64, seed=1),
    pairing=SameClass(task="digit", prior="empirical", redraw=0.25),
    arch="resnet18",
    k_tr=128,
)
JITTER = Training(data=CDP(), pairing=color_jitter(0.5), arch="resnet10t", precision="float32", seed=3)
NEGATIVES = Training(
    data=Labelled(name="cifar-10", half="first", negatives=Noise()),
    pairing=SimCLR(),
    arch="resnet18",
    stem="cifar",
    optimizer="sgd",
)
SUP_CON = Training(
    data=Labelled(name="pacs", root="pacs"),
    pairing=SimCLR(),
    objective=SupCon(task="domain"),
    arch="resnet10t",
    batch_norm_parts=2,
)
READ = Checkpoint(data=CLASSES.data, arch="resnet18", source=CLASSES, layout="moco", name="ours")
FILE = Checkpoint(data=CDP(), arch="resnet50", source="gone.pth", hidden=256)
FROZEN = Embedding(encoder=READ)
VIEWED = Views(encoder=NEGATIVES, pairing=SimCLR(flip=0.0), per_image=4, seed=1)

KEYS = {
    CLASSES: "training-68bd27ee1e889a340392",
    JITTER: "training-36a4b3b5c7a5608dfdd8",
    NEGATIVES: "training-f6f40082e21ef096142d",
    SUP_CON: "training-74087d252b0195101df3",
    READ: "checkpoint-e6a231586aaba6ec7319",
    FILE: "checkpoint-c3c622c5de1b40db4b62",
    FROZEN: "embedding-1449a8081db32ddcb263",
    VIEWED: "views-e663a01283dbb310805b",
    Estimation(
        embedding=FROZEN, pairing=SameClass(task="color"), k_est=512, critics=3, penalties=(1e-4, 1e-3), seed=2
    ): "estimation-3e768dd4a5d25e0591b9",
    Estimation(embedding=VIEWED, pairing=SimCLR(flip=0.0)): "estimation-5dd743ebd8a14dcf3ddf",
    LinearEvaluation(embedding=Embedding(encoder=SUP_CON), task="class"): "evaluation-6dbfc77dabf673ad172c",
    Geometry(embedding=VIEWED, pairing=SimCLR(flip=0.0)): "geometry-e138693656da2965faee",
    Geometry(embedding=FROZEN, pairing=SameClass(task="all", redraw=0.5)): "geometry-b46a1625605ba908b3cc",
    Quality(embedding=FROZEN, pairing=SameClass(task="all"), k_est=512, seed=2): "quality-5d02768526b6870bb64c",
}


@pytest.mark.parametrize(("declaration", "key"), KEYS.items(), ids=KEYS.values())
def test_a_key_stands_still(declaration, key):
    assert cell_key(declaration, "0" * 64) == key
