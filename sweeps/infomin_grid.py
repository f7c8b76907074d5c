"""Figs. 6 and 7: does it harm a downstream task when the positive pairs share information irrelevant to it?

The InfoMin principle says yes. Encoders are trained on CDP images with same-class sampling that matches colour,
digit, position or all three, and each frozen encoder is asked for its linear accuracy on each of these tasks and for
the mutual information between embeddings of its same-class pairs. Expected: a high diagonal; a high column ``all``,
against InfoMin; a high row ``position`` for every pairing, since position is needed to read the other two.

    python sweeps/infomin_grid.py                              # laptop preset, about ten minutes on two cores
    python sweeps/infomin_grid.py --preset smoke               # every part of the system in about a minute
    python sweeps/infomin_grid.py --axis seed=0,1 --dry-run    # the cost of a second seed
"""

from mi_ray.compute.choices import Mix
from mi_ray.experiments.declare import (
    CDP,
    Embedding,
    LinearEvaluation,
    Question,
    SameClass,
    Training,
    pairing_called,
)
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, NOMINAL
from mi_ray.experiments.plan.power import Differences, seeds
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import AT_SCALE, FEW_IMAGES
from sweeps.shared_axes import ARCH, CDPAxes, EstimationAxes, with_axes

PAIRINGS = ("color", "digit", "position", "all")


@with_axes(CDPAxes(), EstimationAxes())
def trial(
    images: CDPAxes,
    estimation: EstimationAxes,
    *,
    pairing: str,
    task: str,
    arch: str = ARCH,
    seed: int = 0,
    k_tr: int = Training.k_tr,
    temperature: float = Training.temperature,
    views: int = Training.views,
    learning_rate: float = Training.learning_rate,
    mix: Mix = CDP.mix,
    background_weight: float = CDP.background_weight,
    redraw: float = SameClass.redraw,
) -> tuple[Question, ...]:
    """One cell of the matrix: an encoder trained with ``pairing``, asked about ``task``.

    ``redraw`` lowers the true MI of the question through the label channel of its pairs (`SameClass`).
    """
    training = Training(
        data=images.declared(mix=mix, background_weight=background_weight), pairing=pairing_called(pairing),
        arch=arch, k_tr=k_tr, temperature=temperature, views=views, learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    frozen = Embedding(encoder=training)
    return (
        LinearEvaluation(embedding=frozen, task=task),
        estimation.declared(frozen, SameClass(task=task, redraw=redraw), seed=seed),
    )


POWER = Differences(
    compares="an estimate of 2 bits and the 1.6 that count as high",
    matters=0.08,
    spread=0.08,
    source=".24 of 6 bits for objective simclr over the 2 seeds of the smoke preset of objectives, the largest of four",
    level=0.05,
    seeds=seeds,
    unit="bits",
    scale=1.0,
)

STUDY = Study(
    name="infomin_grid",
    trial=trial,
    axes={"pairing": PAIRINGS, "task": PAIRINGS, "arch": ("resnet10t",), "seed": (0,)},
    presets={
        "smoke": {"views": (2_000,), **FEW_IMAGES},
        "laptop": {},
        "paper": {"arch": ("resnet18", "resnet50"), "seed": (0, 1, 2), **AT_SCALE},
    },
    default_preset="laptop",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": BALANCED_ACCURACY, "estimation": NOMINAL}),
    draw="analysis.infomin_heatmap:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
