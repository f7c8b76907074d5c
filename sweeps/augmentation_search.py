"""Beyond the paper: can SimCLR's augmentation be tuned for a task, and does the estimate find what the accuracy finds?

Fig. 5 turns one augmentation at a time. Here Optuna turns all five of SimCLR's strengths on CDP images and raises, by
the axis ``objective``, the linear accuracy of a task, the post-training estimate of I_class of that task, or both as a
Pareto front. Candidates are trained on few views; all but the hopeless, beaten by more than seed noise, are trained on
the full budget; the best and SimCLR's default are then trained with fresh seeds. All choices are made on validation
images; the table compares winner and default on test images, seed by seed. No outcome is expected in advance.

    python sweeps/augmentation_search.py                       # laptop preset: 5 minutes on two cores
    python sweeps/augmentation_search.py --preset smoke        # every part of it
    python sweeps/augmentation_search.py --axis objective=both # accuracy and estimate as a Pareto front
    python sweeps/augmentation_search.py --dry-run             # the first generation, and the cost of all
"""

from functools import partial

from mi_ray.experiments.declare import (
    Embedding,
    LinearEvaluation,
    Question,
    SameClass,
    SimCLR,
    Training,
)
from mi_ray.experiments.declare.checks import one_of
from mi_ray.experiments.declare.measures import BALANCED_VALIDATION_ACCURACY, VALIDATION
from mi_ray.experiments.plan.power import Differences
from mi_ray.experiments.plan.search import Range, Search
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import AT_SCALE, FEW_IMAGES
from sweeps.shared_axes import ARCH, CDPAxes, EstimationAxes, with_axes

DEFAULT = SimCLR()
SPACE = {
    "crop_min_scale": Range(low=0.1, high=1.0, step=0.05, default=DEFAULT.crop_min_scale),
    "jitter_strength": Range(low=0.0, high=2.0, step=0.1, default=DEFAULT.jitter_strength),
    "jitter": Range(low=0.0, high=1.0, step=0.1, default=DEFAULT.jitter),
    "grayscale": Range(low=0.0, high=1.0, step=0.1, default=DEFAULT.grayscale),
    "flip": Range(low=0.0, high=0.5, step=0.1, default=DEFAULT.flip),
}
"""Strengths: the smallest crop as a share of the image, the strength of colour jitter, and three probabilities."""

ACCURACY = {"evaluation": BALANCED_VALIDATION_ACCURACY.name}
ESTIMATE = {"estimation": VALIDATION.name}
OBJECTIVES = {"accuracy": ACCURACY, "estimate": ESTIMATE, "both": ACCURACY | ESTIMATE}


@with_axes(CDPAxes(train_images=8192), EstimationAxes())
def search(
    images: CDPAxes,
    estimation: EstimationAxes,
    *,
    objective: str = "accuracy",
    task: str = "digit",
    candidates: int = 8,
    generation: int = 4,
    short_views: int = 10_000,
    views: int = 30_000,
    noise_seeds: int = 3,
    fresh_seeds: int = 3,
    seed: int = 0,
    arch: str = ARCH,
    k_tr: int = Training.k_tr,
    temperature: float = Training.temperature,
    learning_rate: float = Training.learning_rate,
) -> Search:
    """The search for one objective of one task, starting at SimCLR's default."""
    one_of("objective", objective, list(OBJECTIVES))
    trained = partial(
        Training, data=images.declared(), arch=arch, k_tr=k_tr, temperature=temperature, learning_rate=learning_rate
    )

    def trial(*, views: int, seed: int, **augmentation: float) -> tuple[Question, ...]:
        """An encoder trained through ``augmentation``, asked for its linear accuracy and its estimate of I_class."""
        frozen = Embedding(encoder=trained(pairing=SimCLR(**augmentation), views=views, seed=seed))
        return (
            LinearEvaluation(embedding=frozen, task=task),
            estimation.declared(frozen, SameClass(task=task), seed=seed),
        )

    return Search(
        trial=trial, space=SPACE, objectives=OBJECTIVES[objective], candidates=candidates, generation=generation,
        short_views=short_views, views=views, noise_seeds=noise_seeds, fresh_seeds=fresh_seeds, seed=seed,
    )  # fmt: skip


POWER = Differences(
    compares="the best candidate and the default",
    matters=0.03,
    spread=0.02,
    source="1.9, 1.0, 1.0 and .0 for pairs of objectives over the 2 seeds of the smoke preset of objectives",
    level=0.025,
    seeds=lambda grid: STUDY.search(grid).fresh_seeds,
)

STUDY: Study = Study(
    name="augmentation_search",
    trial=search,
    axes={"objective": ("accuracy",), "task": ("digit",), "seed": (0,)},
    presets={
        "smoke": {
            "candidates": (4,),
            "generation": (2,),
            "short_views": (500,),
            "views": (1_000,),
            "noise_seeds": (2,),
            "fresh_seeds": (2,),
            **FEW_IMAGES,
        },
        "laptop": {},
        "paper": {
            "candidates": (40,),
            "generation": (8,),
            "short_views": (1_000_000,),
            "fresh_seeds": (5,),
            "arch": ("resnet18",),
            **AT_SCALE,
        },
    },
    default_preset="laptop",
    matrix=Matrix(
        row="crop_min_scale",
        column="views",
        panels={"evaluation": BALANCED_VALIDATION_ACCURACY, "estimation": VALIDATION},
    ),
    draw="analysis.augmentation_search:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
