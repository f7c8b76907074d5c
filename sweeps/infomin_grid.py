"""Figs. 6 and 7: does it harm a downstream task when the positive pairs share information irrelevant to it?

The InfoMin principle says yes. Encoders are trained on CDP images with same-class sampling that matches colour,
digit, position or all three, and each frozen encoder is asked for its linear accuracy on each of these tasks and for
the mutual information between embeddings of its same-class pairs. Expected: a high diagonal; a high column ``all``,
against InfoMin; a high row ``position`` for every pairing, since position is needed to read the other two.

    python sweeps/infomin_grid.py                              # laptop preset, about ten minutes on two cores
    python sweeps/infomin_grid.py --preset smoke               # every part of the system in about a minute
    python sweeps/infomin_grid.py --axis seed=0,1 --dry-run    # what a second seed would cost
"""

from mi_ray.compute.choices import Mix
from mi_ray.experiments.declare import (
    BUNDLED,
    CDP,
    Embedding,
    Estimation,
    LinearEvaluation,
    Question,
    SameClass,
    Training,
    pairing_called,
)
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import AT_SCALE, FEW_IMAGES

PAIRINGS = ("color", "digit", "position", "all")


def trial(
    *,
    pairing: str,
    task: str,
    arch: str = "resnet10t",
    seed: int = 0,
    k_tr: int = 64,
    temperature: float = 0.2,
    views: int = 100_000,
    learning_rate: float = 1e-3,
    canvas: int = 32,
    digits: str = BUNDLED,
    backgrounds: str = BUNDLED,
    mix: Mix = "linear",
    background_weight: float = 0.3,
    train_images: int = 16384,
    test_images: int = 4096,
    redraw: float = 0.0,
    k_est: int = 4096,
    critics: int = 5,
    critic_steps: int = 70,
) -> tuple[Question, ...]:
    """One cell of the matrix: an encoder trained with ``pairing``, asked about ``task``.

    ``redraw`` dials the true MI of the question down: the label channel of its pairs.
    """
    data = CDP(
        canvas=canvas, digits=digits, backgrounds=backgrounds, mix=mix, background_weight=background_weight,
        train_images=train_images, validation_images=test_images, test_images=test_images,
    )  # fmt: skip
    training = Training(
        data=data, pairing=pairing_called(pairing), arch=arch, k_tr=k_tr, temperature=temperature, views=views,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    frozen = Embedding(encoder=training)
    return (
        LinearEvaluation(embedding=frozen, task=task),
        Estimation(
            embedding=frozen,
            pairing=SameClass(task=task, redraw=redraw),
            k_est=k_est,
            critics=critics,
            steps=critic_steps,
            seed=seed,
        ),
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
    matrix=Matrix(
        row="task", column="pairing", panels={"evaluation": "linear_balanced_accuracy", "estimation": "nominal_bits"}
    ),
    draw="analysis.infomin_heatmap:draw",
)

if __name__ == "__main__":
    launch(STUDY)
