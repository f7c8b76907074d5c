"""Table III: is information about the downstream task alone enough as a learning objective?

Four objectives train encoders that differ in nothing else: ``simclr``, NT-Xent with SimCLR's pairing; ``augmented``,
the same with the augmentation best known for the task; ``class``, NT-Xent with same-class sampling of the task, so that
pairs share the task's information only; ``supcon``, the supervised contrastive loss with SimCLR's augmentation. Each
frozen encoder is asked for its linear accuracy and, beyond the table, for the MI of its same-class pairs. The paper:
``class`` is above ``simclr``, below ``supcon`` on all three data sets and below ``augmented`` on two, though the
information that it maximises is the task's own; so other learning signals help.

    python sweeps/objectives.py                       # laptop preset: 12 minutes on two cores
    python sweeps/objectives.py --preset smoke        # every part of it
    python sweeps/objectives.py --preset paper --dry-run

On CDP the task is ``all`` of colour, digit and position (64 classes), and ``augmented`` is colour jitter of strength
0.5 alone. It is the one part of SimCLR's augmentation that preserves all three: crops move and cut digits, flips mirror
positions, grayscale removes colours, and jitter below strength 5/6 keeps the colours apart (`infomin_strength` says
why). This choice follows from how the images are made, not from accuracy on any split. The encoders of ``class`` are
those of pairing ``all`` in `infomin_grid`: one store trains them once.

The paper's ``augmented`` cells are other methods of other authors (SWD, MoCHi, HCA). Its preset takes SimCLR's
augmentation with colour jitter of full strength instead, where Tian et al. (2020) see the best accuracy. Temperatures
of its SimCLR encoders are the best in Tables IV and V; the recipes are in `recipes`.

SimCLR's augmentation changes what CDP's task asks for. Of ``digits``, the handwritten digits that come with
scikit-learn, only its flips and small crops do: ``--axis data=digits --axis seed=0,1,2,3,4,5``.

``data`` is ``cdp``, ``digits``, ``cifar-10``, ``cifar-100``, ``imagenet-100``, ``imagenet-1k``, or ``folder``: class
folders of your own. ``views`` replaces the recipe's number of views.

    python sweeps/objectives.py --axis data=folder --axis root=PATH --axis side=64 --axis views=200000 --dry-run
"""

from mi_ray.experiments.declare import (
    Embedding,
    LinearEvaluation,
    NTXent,
    Objective,
    Pairing,
    Question,
    SameClass,
    SimCLR,
    SupCon,
    Training,
)
from mi_ray.experiments.declare.checks import one_of
from mi_ray.experiments.declare.measures import BALANCED_ACCURACY, NOMINAL
from mi_ray.experiments.plan.power import Differences, seeds
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import BENCHMARKS, CRITICS_AT_SCALE, FEW_QUESTIONS, Benchmark, benchmark_called, benchmark_of
from sweeps.shared_axes import ARCH, EstimationAxes, LabelledAxes, with_axes

UNSUPERVISED, SUPERVISED = ("simclr", "augmented"), ("class", "supcon")
OBJECTIVES = UNSUPERVISED + SUPERVISED


@with_axes(LabelledAxes(), EstimationAxes())
def trial(
    images: LabelledAxes,
    estimation: EstimationAxes,
    *,
    objective: str,
    data: str = "cdp",
    arch: str = ARCH,
    seed: int = 0,
    share: float = 1.0,
    views: int | None = None,
) -> tuple[Question, ...]:
    """One cell of the table: an encoder trained with ``objective`` on a ``share`` of the benchmark's ``views``."""
    benchmark = benchmark_called(data, images)
    pairing, loss = pairing_and_loss(objective, benchmark)
    supervised = objective in SUPERVISED
    temperature = benchmark.supervised_temperature if supervised else benchmark.temperature
    training = benchmark.training(
        pairing, arch, seed=seed, temperature=temperature, share=share, views=views, objective=loss
    )
    frozen = Embedding(encoder=training)
    return (
        LinearEvaluation(embedding=frozen, task=benchmark.task),
        estimation.declared(frozen, SameClass(task=benchmark.task), seed=seed),
    )


def pairing_and_loss(objective: str, benchmark: Benchmark) -> tuple[Pairing, Objective]:
    """The pairing and the loss of an objective of the table."""
    one_of("objective", objective, OBJECTIVES)
    pairings_and_losses: dict[str, tuple[Pairing, Objective]] = {
        "simclr": (SimCLR(), NTXent()),
        "augmented": (benchmark.augmentation, NTXent()),
        "class": (SameClass(task=benchmark.task), NTXent()),
        "supcon": (SimCLR(), SupCon(task=benchmark.task)),
    }
    return pairings_and_losses[objective]


def objective_of(training: Training) -> str:
    """The name of a training's objective in the table."""
    benchmark = BENCHMARKS[benchmark_of(training.data)]
    declared = training.pairing, training.objective
    return next(name for name in OBJECTIVES if pairing_and_loss(name, benchmark) == declared)


POWER = Differences(
    compares="two objectives",
    matters=0.03,
    spread=0.02,
    source="1.9, 1.0, 1.0 and .0 for the four comparisons over the 2 seeds of the smoke preset",
    level=0.025,
    seeds=seeds,
)

STUDY = Study(
    name="objectives",
    trial=trial,
    axes={"data": ("cdp",), "objective": OBJECTIVES, "arch": ("resnet10t",), "seed": (0, 1)},
    presets={
        "smoke": {"data": ("cdp-small",), **FEW_QUESTIONS},
        "laptop": {},
        "paper": {
            "data": ("cifar-10", "imagenet-100", "imagenet-1k"),
            "arch": ("resnet50",),
            "seed": (0, 1, 2),
            **CRITICS_AT_SCALE,
        },
    },
    default_preset="laptop",
    matrix=Matrix(
        row="objective",
        column="pairing",
        panels={"evaluation": BALANCED_ACCURACY, "estimation": NOMINAL},
    ),
    draw="analysis.objectives_table:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
