"""Fig. 5: do the downstream tasks peak at augmentation strengths of their own, as the InfoMin principle would have it?

Encoders are trained on CDP images by SimCLR's pairing with colour jitter alone (Fig. 5a) or random resized crops alone
(Fig. 5b), of several strengths. Each frozen encoder is asked for the mutual information between two views through the
same augmentation, and for its linear accuracy on four tasks. The paper: accuracy over MI is a reverse U for every task,
with one peak for all, though the information of one task is irrelevant to the others; so the shape is no proof of
InfoMin.

Attributes of CDP that an augmentation destroys. Colour jitter: ``color``, and nothing else. Hue turns by up to 0.2 x
strength of a circle, red, green and blue are a third apart, so views of two colours meet beyond strength 5/6; from 1.25
on some views have no colour at all. White stays apart from the others until then. Resized crop: ``position``, since a
crop of a quarter of the image can hold one quadrant alone and zooming moves a digit across; a small crop cuts ``digit``
and may miss it, and then ``color`` too. Neither flips: that would mirror ``position``, and 2 into nearly 5.

    python sweeps/infomin_strength.py                      # laptop preset: 11 minutes on two cores
    python sweeps/infomin_strength.py --preset smoke       # every part of it
    python sweeps/infomin_strength.py --axis "augmentation=jitter 0.5,crop 0.2" --axis seed=0,1

``augmentation`` is ``jitter STRENGTH``, 0 to 2.5 (brightness, contrast and saturation by up to 0.8, hue by up to 0.2,
times strength), or ``crop MIN_SCALE``, 0.01 to 1 (the least share of the image's area that is kept). ``jitter 0`` and
``crop 1`` change nothing: both views are the image. The paper states no strengths; the paper preset takes those of Tian
et al. (2020) as far as they are known.
"""

from mi_ray.experiments.declare import (
    Embedding,
    LinearEvaluation,
    Question,
    SimCLR,
    Training,
    Views,
    color_jitter,
    resized_crop,
)
from mi_ray.experiments.declare.checks import refuse
from mi_ray.experiments.declare.measures import ACCURACY
from mi_ray.experiments.plan.power import Differences, seeds
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import AT_SCALE, FEW_IMAGES
from sweeps.shared_axes import ARCH, CDPAxes, EstimationAxes, with_axes

TASKS = ("color", "digit", "position", "all")
AUGMENTATIONS = {"jitter": color_jitter, "crop": resized_crop}
JITTERS = ("jitter 0.125", "jitter 0.25", "jitter 0.5", "jitter 1", "jitter 2")
CROPS = ("crop 0.08", "crop 0.2", "crop 0.4", "crop 0.7", "crop 1")


def augmentation_called(name: str) -> SimCLR:
    """The augmentation that ``jitter STRENGTH`` or ``crop MIN_SCALE`` names; refuses any other name."""
    kind, strength = kind_and_strength(name)
    return AUGMENTATIONS[kind](strength)


def kind_and_strength(name: str) -> tuple[str, float]:
    """``jitter 0.5`` as ``jitter`` and 0.5."""
    kind, _, strength = name.partition(" ")
    try:
        if kind in AUGMENTATIONS:
            return kind, float(strength)
    except ValueError:
        pass
    raise refuse("augmentation", name, "'jitter STRENGTH' or 'crop MIN_SCALE', such as 'jitter 0.5' or 'crop 0.2'")


@with_axes(CDPAxes(), EstimationAxes())
def trial(
    images: CDPAxes,
    estimation: EstimationAxes,
    *,
    augmentation: str,
    task: str,
    arch: str = ARCH,
    seed: int = 0,
    k_tr: int = Training.k_tr,
    temperature: float = Training.temperature,
    views: int = 50_000,
    learning_rate: float = Training.learning_rate,
) -> tuple[Question, ...]:
    """One encoder trained with ``augmentation``: its accuracy on ``task``, and the MI of two views of an image."""
    pairing = augmentation_called(augmentation)
    training = Training(
        data=images.declared(), pairing=pairing, arch=arch, k_tr=k_tr, temperature=temperature, views=views,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    return (
        LinearEvaluation(embedding=Embedding(encoder=training), task=task),
        estimation.declared(Views(encoder=training, pairing=pairing, seed=seed), pairing, seed=seed),
    )


POWER = Differences(
    compares="accuracies at two strengths",
    matters=0.03,
    spread=0.034,
    source="of one strength 1.7 to 3.5 over the 2 seeds of the four objectives in the smoke preset of objectives",
    level=0.05,
    seeds=seeds,
    paired=False,
)

STUDY = Study(
    name="infomin_strength",
    trial=trial,
    axes={"augmentation": JITTERS + CROPS, "task": TASKS, "arch": ("resnet10t",), "seed": (0,)},
    presets={
        "smoke": {
            "augmentation": ("jitter 0.5", "jitter 2", "crop 0.2", "crop 1"),
            "views": (2_000,),
            **FEW_IMAGES,
        },
        "laptop": {},
        "paper": {
            "augmentation": (
                *(f"jitter {strength}" for strength in ("0", "0.125", "0.25", "0.5", "0.75", "1", "1.5", "2", "2.5")),
                *(f"crop {min_scale}" for min_scale in ("0.02", "0.08", "0.2", "0.4", "0.6", "0.8", "1")),
            ),
            "arch": ("resnet50",),
            "seed": (0, 1, 2),
            **AT_SCALE,
        },
    },
    default_preset="laptop",
    matrix=Matrix(row="pairing", column="task", panels={"evaluation": ACCURACY}),
    draw="analysis.infomin_curves:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
