"""Tables IV and V: which measure of an encoder agrees with its accuracy, when encoders differ in their temperature?

Encoders of two sizes are trained with SimCLR's pairing at several temperatures. Each frozen encoder is asked for its
linear accuracy, its alignment, uniformity and tolerance over the classes of the task, the MI of two views through the
augmentation that it was trained with, I_SimCLR, and the MI of its same-class pairs, I_class; the contrastive loss is
that of its training. The paper, with six encoders a table: I_class agrees best with accuracy (Pearson .634 and .805),
ahead of every measure without classes; the loss agrees least, since its scale depends on the temperature. Beside the
paper's tables: kNN accuracy, RankMe and effective rank, and the analytic bounds that its Sec. IV-B mentions.

    python sweeps/temperature.py                                 # laptop preset: a quarter of an hour on two cores
    python sweeps/temperature.py --preset smoke                  # every part of it
    python sweeps/temperature.py --preset paper --dry-run        # Table IV, CIFAR-10
    python sweeps/temperature.py --preset paper-imagenet-100 --dry-run    # Table V

The laptop's images are CDP, the task ``all``, on a quarter of the views of `objectives`. SimCLR's crops and flips
change that task's attributes, which is no problem: the study compares encoders of different quality. Six encoders, as
the paper has, say little about a correlation: the laptop has twelve, of six temperatures. ``data`` is any benchmark of
`recipes`, such as class folders of your own:

    python sweeps/temperature.py --axis data=folder --axis root=PATH --axis side=64 --axis views=200000 --dry-run
"""

from mi_ray.experiments.declare import (
    Embedding,
    Geometry,
    LinearEvaluation,
    NearestNeighbours,
    Quality,
    Question,
    SameClass,
    SimCLR,
    Views,
)
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, LOSS, TOLERANCE
from mi_ray.experiments.plan.power import Leads
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import CRITICS_AT_SCALE, FEW_QUESTIONS, benchmark_called
from sweeps.shared_axes import ARCH, EstimationAxes, LabelledAxes, with_axes

AUGMENTATION = SimCLR()


@with_axes(LabelledAxes(), EstimationAxes())
def trial(
    images: LabelledAxes,
    estimation: EstimationAxes,
    *,
    temperature: float,
    data: str = "cdp",
    arch: str = ARCH,
    seed: int = 0,
    share: float = 1.0,
    views: int | None = None,
) -> tuple[Question, ...]:
    """One row of the table: an encoder trained at ``temperature`` on a ``share`` of the benchmark's ``views``."""
    benchmark = benchmark_called(data, images)
    training = benchmark.training(AUGMENTATION, arch, seed=seed, temperature=temperature, share=share, views=views)
    plain, classes = Embedding(encoder=training), SameClass(task=benchmark.task)
    viewed = Views(encoder=training, pairing=AUGMENTATION, seed=seed)
    return (
        LinearEvaluation(embedding=plain, task=benchmark.task),
        Geometry(embedding=plain, pairing=classes),
        estimation.declared(viewed, AUGMENTATION, seed=seed),
        estimation.declared(plain, classes, seed=seed),
        NearestNeighbours(embedding=plain, task=benchmark.task),
        Quality(embedding=plain, pairing=classes, k_est=estimation.k_est, seed=seed),
    )


POWER = Leads(
    compares="I_class over I_SimCLR",
    best=0.805,
    next=0.088,
    between=0.249,
    source="Table V",
    level=0.025,
    encoders=lambda grid: len(grid["arch"]) * len(grid["temperature"]),
)

ENCODERS = ("resnet18", "resnet50")
STUDY = Study(
    name="temperature",
    trial=trial,
    axes={"data": ("cdp",), "arch": ("resnet10t", "resnet18"), "temperature": (0.1, 0.2, 0.5), "seed": (0,)},
    presets={
        "smoke": {"data": ("cdp-small",), **FEW_QUESTIONS},
        "laptop": {"share": (0.25,), "temperature": (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)},
        "paper": {
            "data": ("cifar-10",),
            "arch": ENCODERS,
            "temperature": (0.1, 0.3, 0.5),
            "seed": (0, 1, 2),
            **CRITICS_AT_SCALE,
        },
        "paper-imagenet-100": {
            "data": ("imagenet-100",),
            "arch": ENCODERS,
            "temperature": (0.1, 0.2, 0.3),
            "seed": (0, 1, 2),
            **CRITICS_AT_SCALE,
        },
    },
    default_preset="laptop",
    matrix=Matrix(
        row="arch",
        column="temperature",
        panels={"training": LOSS, "evaluation": BALANCED_ACCURACY, "geometry": TOLERANCE},
    ),
    draw="analysis.temperature_table:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
