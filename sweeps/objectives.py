"""Table III: is information about the downstream task alone enough as a learning objective?

Four objectives train encoders that differ in nothing else: ``simclr``, NT-Xent with SimCLR's pairing; ``augmented``,
the same with the augmentation best known for the task; ``class``, NT-Xent with same-class sampling of the task, so that
the task's information is all that pairs share; ``supcon``, the supervised contrastive loss with SimCLR's augmentation.
Each frozen encoder is asked for its linear accuracy and, beyond the table, for the MI of its same-class pairs. The
paper: ``class`` is above ``simclr``, below ``supcon`` on all three data sets and below ``augmented`` on two, though the
information that it maximises is the task's own; so other learning signals help.

    python sweeps/objectives.py                       # laptop preset: 12 minutes on two cores
    python sweeps/objectives.py --preset smoke        # every part of it
    python sweeps/objectives.py --preset paper --dry-run

On CDP the task is ``all`` of colour, digit and position (64 classes). ``augmented`` is there colour jitter of strength
0.5 and nothing else: of what SimCLR's augmentation does it alone leaves all three as they are, since crops move and cut
digits, flips mirror positions and grayscale removes colours, and jitter below strength 5/6 keeps the colours apart
(`infomin_strength` tells why). That is reasoned from how the images are made; it was not chosen by accuracy on any
split. The encoders of ``class`` are those of pairing ``all`` in `infomin_grid`: one store trains them once.

The paper's ``augmented`` cells are other methods of other authors (SWD, MoCHi, HCA). Its preset takes SimCLR's
augmentation with colour jitter of full strength instead, where Tian et al. (2020) see the best accuracy. Temperatures
of its SimCLR encoders are the best in Tables IV and V; the recipes are in `recipes`.
"""

from mi_ray.experiments.declare import (
    Embedding,
    Estimation,
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
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import BENCHMARKS, FEW_QUESTIONS, Benchmark, benchmark_called, benchmark_of

UNSUPERVISED, SUPERVISED = ("simclr", "augmented"), ("class", "supcon")
OBJECTIVES = UNSUPERVISED + SUPERVISED


def trial(
    *,
    objective: str,
    data: str = "cdp",
    arch: str = "resnet10t",
    seed: int = 0,
    share: float = 1.0,
    k_est: int = 4096,
    critics: int = 5,
    critic_steps: int = 70,
) -> tuple[Question, ...]:
    """One cell of the table: an encoder trained with ``objective`` on a ``share`` of the benchmark's views."""
    benchmark = benchmark_called(data)
    pairing, loss = pairing_and_loss(objective, benchmark)
    supervised = objective in SUPERVISED
    temperature = benchmark.supervised_temperature if supervised else benchmark.temperature
    training = benchmark.training(pairing, arch, seed=seed, temperature=temperature, share=share, objective=loss)
    frozen = Embedding(encoder=training)
    return (
        LinearEvaluation(embedding=frozen, task=benchmark.task),
        Estimation(
            embedding=frozen,
            pairing=SameClass(task=benchmark.task),
            k_est=k_est,
            critics=critics,
            steps=critic_steps,
            seed=seed,
        ),
    )


def pairing_and_loss(objective: str, benchmark: Benchmark) -> tuple[Pairing, Objective]:
    """What an objective of the table pairs, and what it minimises."""
    one_of("objective", objective, OBJECTIVES)
    return {
        "simclr": (SimCLR(), NTXent()),
        "augmented": (benchmark.augmentation, NTXent()),
        "class": (SameClass(task=benchmark.task), NTXent()),
        "supcon": (SimCLR(), SupCon(task=benchmark.task)),
    }[objective]


def objective_of(training: Training) -> str:
    """The objective of the table that a training has."""
    benchmark = BENCHMARKS[benchmark_of(training.data)]
    had = training.pairing, training.objective
    return next(name for name in OBJECTIVES if pairing_and_loss(name, benchmark) == had)


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
            "critic_steps": (400,),
        },
    },
    default_preset="laptop",
    matrix=Matrix(
        row="objective",
        column="pairing",
        panels={"evaluation": "linear_balanced_accuracy", "estimation": "nominal_bits"},
    ),
    draw="analysis.objectives_table:draw",
)

if __name__ == "__main__":
    launch(STUDY)
