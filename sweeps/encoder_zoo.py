"""Tables I, II and VI to IX: which measure of a frozen encoder tells how well it will do?

Encoders of different quality are read from checkpoint files and asked for their linear accuracy, for the mutual
information between embeddings of same-class pairs (I_class) and of two SimCLR views (I_SimCLR), and for alignment,
uniformity and tolerance under both pairings. The paper: over 16 ResNet-50 and 13 vision transformers I_class agrees
with the accuracy almost perfectly and better than any other measure, in Pearson's and in Kendall's sense. Beside the
paper's tables: kNN accuracy, RankMe and effective rank, and the analytic bounds that its Sec. IV-B mentions.

    python sweeps/encoder_zoo.py                             # laptop preset: 8 minutes on two cores
    python sweeps/encoder_zoo.py --preset smoke              # every part of it
    python sweeps/encoder_zoo.py --preset paper --dry-run    # lists missing checkpoint files and images
    python sweeps/encoder_zoo.py --axis encoder=all,color,file:mine.pth:resnet18    # one of your own beside two of ours

``encoder`` is one of these names.

- ``color``, ``digit``, ``position``, ``all``: trained here with same-class sampling, those of ``infomin_grid``, so that
  one store trains them once. ``all/5``: on a fifth of the views; ``simclr/4``: SimCLR's pairing on a quarter of them;
  ``supcon/4``: the supervised contrastive loss. Each is written in the layout of a published method and read back.
- A row of Tables VI to IX, such as ``SwAV`` or ``DeiTB``: its file in the folder ``checkpoints``, as
  ``compute/frozen/published.py`` calls it. The paper names no variants; these match its accuracies best.
- ``timm:ARCH``: ``ARCH.safetensors`` in that folder, the ``model.safetensors`` that timm publishes for it.
- ``file:PATH:ARCH``: any file that holds the timm encoder ARCH below some prefix. Images are shown as timm states.

A file may hold several encoders, such as raw and averaged weights: ``--axis weights=raw``, ``averaged``, or the prefix
of one. Without it the one that its method publishes is read, and a file of no known method is refused.

``paper`` has the 29 encoders on ImageNet-100 (Tables VI and VIII), ``paper-1k`` 27 of them on ImageNet-1k (VII and IX).
Photographs are read from their files, so that memory does not grow with their number; h of ImageNet-1k and of two views
of it takes 565 GiB of the store. ``dataset`` may also be ``folder``, class folders below ``root``. K_est is 256 and 512
there, read off the largest printed estimates; the paper gives no other setting. A pickle that needs code to be read is
refused until ``--axis allow_code=yes``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from mi_ray.compute.choices import Layout
from mi_ray.compute.frozen.published import RESNETS, VITS
from mi_ray.compute.images.catalogue import Dataset
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Data,
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    NearestNeighbours,
    NTXent,
    Objective,
    Pairing,
    Quality,
    Question,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
)
from mi_ray.experiments.declare.checks import did_you_mean, one_of, refuse
from mi_ray.experiments.declare.measures import ALIGNMENT, BALANCED_ACCURACY, NOMINAL
from mi_ray.experiments.plan.power import Leads
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.launch import launch
from sweeps.recipes import CRITICS_AT_SCALE, FEW_IMAGES
from sweeps.shared_axes import ARCH, CDPAxes, EstimationAxes, LabelledAxes, with_axes


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training of an encoder on one part in ``part`` of the views, and the layout of its checkpoint file."""

    pairing: Pairing
    layout: Layout
    objective: Objective = field(default_factory=NTXent)
    part: int = 1


ALL = SameClass(task="all")
OURS = {
    "color": Recipe(pairing=SameClass(task="color"), layout="moco"),
    "digit": Recipe(pairing=SameClass(task="digit"), layout="vissl"),
    "position": Recipe(pairing=SameClass(task="position"), layout="swav"),
    "all": Recipe(pairing=ALL, layout="flat"),
    "all/5": Recipe(pairing=ALL, layout="dino", part=5),
    "all/10": Recipe(pairing=ALL, layout="moco-v3", part=10),
    "all/20": Recipe(pairing=ALL, layout="moco", part=20),
    "all/50": Recipe(pairing=ALL, layout="flat", part=50),
    "simclr/4": Recipe(pairing=SimCLR(), layout="vissl", part=4),
    "simclr/20": Recipe(pairing=SimCLR(), layout="swav", part=20),
    "supcon/4": Recipe(pairing=SimCLR(), layout="supcon", objective=SupCon(task="all"), part=4),
}
PUBLISHED = {encoder.row: encoder for encoder in RESNETS + VITS}
LARGEST = ("SwinB", "PiTB")
"""Encoders that Table IX leaves out."""


@with_axes(CDPAxes(), LabelledAxes(root="data/imagenet", side=224), EstimationAxes())
def trial(
    images: CDPAxes,
    labelled: LabelledAxes,
    estimation: EstimationAxes,
    *,
    encoder: str,
    dataset: str = "cdp",
    arch: str = ARCH,
    seed: int = 0,
    k_tr: int = Training.k_tr,
    temperature: float = Training.temperature,
    views: int = Training.views,
    learning_rate: float = Training.learning_rate,
    checkpoints: str = "data/checkpoints",
    weights: str = Checkpoint.weights,
    allow_code: bool = Checkpoint.allow_code,
    views_per_image: int = Views.per_image,
    batches: int = Estimation.batches,
) -> tuple[Question, ...]:
    """One encoder's linear accuracy and all other measures.

    ``arch`` to ``learning_rate`` set encoders that are trained here, ``images`` CDP images, ``labelled`` any other
    ``dataset``, ``weights`` and ``allow_code`` encoders in files.
    """
    data = images.declared() if dataset == "cdp" else labelled.applied(photographs(dataset))
    settings = {"arch": arch, "k_tr": k_tr, "temperature": temperature, "learning_rate": learning_rate, "seed": seed}
    read = (
        trained_here(encoder, data, views, settings)
        if encoder in OURS
        else read_from_file(encoder, data, checkpoints, weights=weights, allow_code=allow_code)
    )
    same_class, simclr = SameClass(task="all" if isinstance(data, CDP) else "class"), SimCLR()
    plain, viewed = Embedding(encoder=read), Views(encoder=read, pairing=simclr, per_image=views_per_image, seed=seed)
    return (
        LinearEvaluation(embedding=plain, task=same_class.task),
        estimation.declared(plain, same_class, batches=batches, seed=seed),
        Geometry(embedding=plain, pairing=same_class),
        estimation.declared(viewed, simclr, batches=batches, seed=seed),
        Geometry(embedding=viewed, pairing=simclr),
        NearestNeighbours(embedding=plain, task=same_class.task),
        Quality(embedding=plain, pairing=same_class, k_est=estimation.k_est, batches=batches, seed=seed),
    )


def photographs(dataset: str) -> Labelled:
    """A labelled data set; only ImageNet-100 has a list of classes."""
    one_of("dataset", dataset, ["cdp", *get_args(Dataset)])
    class_list = "data/imagenet100_wnids.txt" if dataset == "imagenet-100" else ""
    return Labelled(name=cast(Dataset, dataset), class_list=class_list)


def trained_here(name: str, data: Data, views: int, settings: Mapping[str, Any]) -> Checkpoint:
    """An encoder trained here by its recipe, written to a file and read back."""
    recipe = OURS[name]
    training = Training(
        data=data, pairing=recipe.pairing, objective=recipe.objective, views=views // recipe.part, **settings
    )
    return Checkpoint(data=data, arch=training.arch, source=training, layout=recipe.layout, name=name)


def read_from_file(name: str, data: Data, folder: str, *, weights: str, allow_code: bool) -> Checkpoint:
    """A published encoder by the name of its row, or one in a file by ``timm:ARCH`` or ``file:PATH:ARCH``."""
    if name in PUBLISHED:
        row = PUBLISHED[name]
        return Checkpoint(
            data=data, arch=row.arch, source=f"{folder}/{row.file}", layout=row.layout, input=row.trained_on,
            weights=weights, allow_code=allow_code, name=name,
        )  # fmt: skip
    arch, path = _arch_and_path(name, folder)
    return Checkpoint(data=data, arch=arch, source=path, weights=weights, allow_code=allow_code, name=name)


def _arch_and_path(name: str, folder: str) -> tuple[str, str]:
    kind, _, rest = name.partition(":")
    path, _, arch = rest.rpartition(":")
    if kind == "timm" and arch and not path:
        return arch, f"{folder}/{arch}.safetensors"
    if kind == "file" and arch and path:
        return arch, path
    near = did_you_mean(name, (*OURS, *PUBLISHED))
    raise refuse("encoder", name, f"{', '.join((*OURS, *PUBLISHED))}, timm:ARCH or file:PATH:ARCH{near}")


IMAGENET_AT_SCALE = {**CRITICS_AT_SCALE, "dataset": ("imagenet-100",), "k_est": (256,), "batches": (64,)}

POWER = Leads(
    compares="I_class over I_SimCLR",
    best=0.979,
    next=0.790,
    between=0.751,
    source="Table IX, the narrowest lead of Tables VI to IX",
    level=0.025,
    encoders=lambda grid: len(grid["encoder"]),
)

STUDY = Study(
    name="encoder_zoo",
    trial=trial,
    axes={"encoder": tuple(OURS), "seed": (0,)},
    presets={
        "smoke": {"encoder": ("color", "all", "all/10", "simclr/4"), "views": (4_000,), **FEW_IMAGES},
        "laptop": {},
        "paper": {"encoder": tuple(PUBLISHED), **IMAGENET_AT_SCALE},
        "paper-1k": {
            "encoder": tuple(row for row in PUBLISHED if row not in LARGEST),
            **IMAGENET_AT_SCALE,
            "dataset": ("imagenet-1k",),
            "k_est": (512,),
            "batches": (32,),
        },
    },
    default_preset="laptop",
    matrix=Matrix(
        row="encoder",
        column="task",
        panels={"evaluation": BALANCED_ACCURACY, "estimation": NOMINAL, "geometry": ALIGNMENT},
    ),
    draw="analysis.measure_agreement:draw",
    power=(POWER,),
)

if __name__ == "__main__":
    launch(STUDY)
