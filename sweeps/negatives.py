"""Table X: must negatives come from the data's own distribution, as the view of contrast as MI maximisation asks?

Encoders are trained on D, one half of a data set's classes, with SimCLR's pairing. Their negatives come from D-, which
is D itself (``own``: the other pairs of a step), the ``sibling`` half of the classes, another domain, or uniform
``noise``. The linear accuracy of each frozen encoder is measured on D. In the paper, the sibling as D- is better than D
by 1.92 points (CIFAR-5A) and 0.77 points (CIFAR-50A); all domains of PACS and noise are worse. MI maximisation needs
negatives from the marginal; noise-contrastive estimation does not, so the paper takes the result as evidence for it.

    python sweeps/negatives.py                    # laptop preset: 10 minutes on two cores
    python sweeps/negatives.py --preset smoke     # every part of it
    python sweeps/negatives.py --preset paper --dry-run

``apart`` is a control that the table lacks: D- is D, but its images are drawn independently of the pairs, as those of
every other D- are. ``own`` and ``apart`` differ only in how negatives are drawn, ``apart`` and the others only in where
negatives come from.

The laptop preset uses scikit-learn's 1797 digits: D is 0 to 4, its sibling 5 to 9, and ``crops`` of photographs are the
other domain. Digits are easy, so only a tenth of D's 901 images train; the rest is halved into validation and test. The
choice of training images changes accuracy by more than D- does. Each seed therefore splits D anew, and D- are compared
within seeds. The paper states no more than the data sets; its preset trains for 1000 epochs by the recipe for CIFAR-10
in `recipes`.
"""

from dataclasses import replace

from mi_ray.compute.choices import Stem
from mi_ray.compute.images.catalogue import Dataset
from mi_ray.experiments.declare import (
    Crops,
    Embedding,
    Labelled,
    LinearEvaluation,
    Noise,
    Question,
    SimCLR,
    Training,
)
from mi_ray.experiments.declare.checks import one_of
from mi_ray.experiments.declare.measures import ACCURACY
from mi_ray.experiments.declare.training import OptimizerName
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.shared_axes import ARCH

DATA: dict[str, Dataset] = {"digits-5A": "digits", "cifar-5A": "cifar-10", "cifar-50A": "cifar-100"}
PACS = {"cartoon": "cartoon", "art": "art_painting", "photo": "photo", "sketch": "sketch"}
NEGATIVES = ("own", "apart", "sibling", "crops", *PACS, "noise")


def trial(
    *,
    negatives: str,
    data: str = "digits-5A",
    arch: str = ARCH,
    stem: Stem = Training.stem,
    seed: int = 0,
    k_tr: int = Training.k_tr,
    temperature: float = 0.5,
    views: int = 10_000,
    optimizer: OptimizerName = Training.optimizer,
    learning_rate: float = Training.learning_rate,
    held_out: float = 0.45,
) -> tuple[Question, ...]:
    """One row of the table: the linear accuracy on D of an encoder that is trained on D against ``negatives``."""
    training = Training(
        data=images(data, negatives, held_out, seed), pairing=SimCLR(), arch=arch, stem=stem, k_tr=k_tr,
        temperature=temperature, views=views, optimizer=optimizer, learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    return (LinearEvaluation(embedding=Embedding(encoder=training), task="class"),)


def images(data: str, negatives: str, held_out: float, seed: int) -> Labelled:
    """D, the first half of the classes, with its D-. ``seed`` splits both, and draws noise and crops."""
    one_of("data", data, list(DATA))
    own = Labelled(name=DATA[data], half="first", held_out=held_out, seed=seed)
    return replace(own, negatives=negatives_called(negatives, own))


def negatives_called(name: str, own: Labelled) -> Labelled | Noise | Crops | None:
    """The images of the D- called ``name``, where D is ``own``; Refused unless it is one of `NEGATIVES`."""
    one_of("negatives", name, NEGATIVES)
    match name:
        case "own":
            return None
        case "apart":
            return own
        case "sibling":
            return own.sibling
        case "crops":
            return Crops(seed=own.seed)
        case "noise":
            return Noise(seed=own.seed)
        case _:
            return Labelled(name="pacs", root="data/pacs", domain=PACS[name], held_out=own.held_out, seed=own.seed)


def names_of(data: Labelled) -> tuple[str, str]:
    """The names of D and D- in the table."""
    own = replace(data, negatives=None)
    negatives = next(name for name in NEGATIVES if negatives_called(name, own) == data.negatives)
    return next(name for name, whole in DATA.items() if whole == data.name), negatives


STUDY = Study(
    name="negatives",
    trial=trial,
    axes={
        "data": ("digits-5A",),
        "negatives": ("own", "apart", "sibling", "crops", "noise"),
        "seed": (0, 1, 2, 3, 4, 5, 6, 7),
    },
    presets={
        "smoke": {"views": (1_000,), "seed": (0, 1)},
        "laptop": {},
        "paper": {
            "data": ("cifar-5A", "cifar-50A"),
            "negatives": ("own", "apart", "sibling", *PACS, "noise"),
            "arch": ("resnet18",),
            "stem": ("cifar",),
            "seed": (0, 1, 2),
            "k_tr": (256,),
            "views": (50_000_000,),
            "optimizer": ("sgd",),
            "learning_rate": (0.05,),
            "held_out": (0.1,),
        },
    },
    default_preset="laptop",
    matrix=Matrix(row="data", column="negatives", panels={"evaluation": ACCURACY}),
    draw="analysis.negatives_table:draw",
)

if __name__ == "__main__":
    launch(STUDY)
