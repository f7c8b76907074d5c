"""Scales of presets on CDP images, and a training recipe for each data set of the tables.

The paper names data sets, encoders and temperatures. The rest of a recipe is that of the closest public code, on
cosine-annealed SGD: CIFAR-10 and, with the same settings, CIFAR-100 as SupContrast (1000 epochs; lr .05 at a batch of
256; temperature .5, supervised .1), ImageNet-100 and ImageNet-1k as VNE of the paper's own lab (lr .4 for a batch of
256), for 400 and 100 epochs. K_Tr follows from the losses that Tables IV and V print: at most 256 pairs for CIFAR-10
and some 128 for ImageNet-100. ``folder``, class folders of the user's own below ``root``, has ImageNet-100's recipe on
a tenth of its views, 80 epochs of as many images; ``views`` should follow the number of images. ``digits``, the 1,797
handwritten digits that come with scikit-learn, has the recipe of `negatives` on twice its views. Its best augmentation
follows from how the images are made: a mirrored digit is another one or none, there is no colour, and a digit fills its
image, so that crops keep half of it or more.
"""

from dataclasses import dataclass, replace

from mi_ray.compute.choices import Stem
from mi_ray.experiments.declare import CDP, Data, Labelled, NTXent, Objective, Pairing, SimCLR, Training
from mi_ray.experiments.declare.checks import one_of
from mi_ray.experiments.declare.pairings import color_jitter, resized_crop
from mi_ray.experiments.declare.training import OptimizerName
from sweeps.shared_axes import LabelledAxes

FEW_QUESTIONS = {"critic_steps": (20,), "k_est": (1024,), "critics": (2,)}
FEW_IMAGES = {"train_images": (2048,), "test_images": (1024,), **FEW_QUESTIONS}
"""Axes of ``smoke`` presets, which run every part of a study and train no good encoder."""

CRITICS_AT_SCALE = {"critics": (5,), "critic_steps": (400,)}
"""Axes of ``paper`` presets that ask for an estimate: the critics of a declaration's defaults."""

AT_SCALE = {
    "canvas": (64,), **CRITICS_AT_SCALE, "digits": ("data/mnist",), "backgrounds": ("data/imagenet/train",),
    "views": (4_000_000,),
}  # fmt: skip
"""Axes of ``paper`` presets on CDP images; the paper states neither the image size nor the length of training."""

FULL_JITTER = SimCLR(jitter_strength=1.0)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A data set, its task, and the training recipe of encoders on it.

    ``augmentation``: the best known for this task; ``views``: number of images seen in training.
    """

    title: str
    data: Data
    task: str = "class"
    stem: Stem = "imagenet"
    augmentation: SimCLR = FULL_JITTER
    k_tr: int
    temperature: float
    supervised_temperature: float = 0.1
    views: int
    optimizer: OptimizerName = "sgd"
    learning_rate: float

    def training(
        self,
        pairing: Pairing,
        arch: str,
        *,
        seed: int,
        temperature: float | None = None,
        share: float = 1.0,
        views: int | None = None,
        objective: Objective | None = None,
    ) -> Training:
        """Training by this recipe on a ``share`` of ``views``, or of its own; by default NT-Xent at its temperature."""
        return Training(
            data=self.data,
            pairing=pairing,
            arch=arch,
            stem=self.stem,
            objective=objective or NTXent(),
            k_tr=self.k_tr,
            temperature=temperature or self.temperature,
            views=round(share * (views or self.views)),
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            seed=seed,
        )


def _cdp(title: str, data: CDP, views: int) -> Benchmark:
    """The recipe of `infomin_grid`, so that a store holds the encoders of both studies once."""
    return Benchmark(
        title=title, data=data, task="all", augmentation=color_jitter(0.5), k_tr=64, temperature=0.2,
        supervised_temperature=0.2, views=views, optimizer="adamw", learning_rate=1e-3,
    )  # fmt: skip


CIFAR_10 = Benchmark(
    title="CIFAR-10", data=Labelled(name="cifar-10"), stem="cifar", k_tr=256, temperature=0.5, views=100_000_000,
    learning_rate=0.05,
)  # fmt: skip
IMAGENET_100 = Benchmark(
    title="ImageNet-100",
    data=Labelled(name="imagenet-100", root="data/imagenet", side=224, class_list="data/imagenet100_wnids.txt"),
    k_tr=128, temperature=0.3, views=100_000_000, learning_rate=0.2,
)  # fmt: skip

BENCHMARKS = {
    "cdp": _cdp("CDP", CDP(), 100_000),
    "cdp-small": _cdp("CDP, small", CDP(train_images=2048, validation_images=1024, test_images=1024), 2_000),
    "digits": Benchmark(
        title="digits", data=Labelled(name="digits"), augmentation=resized_crop(0.5), k_tr=64, temperature=0.5,
        views=20_000, optimizer="adamw", learning_rate=1e-3,
    ),
    "cifar-10": CIFAR_10,
    "cifar-100": replace(CIFAR_10, title="CIFAR-100", data=Labelled(name="cifar-100")),
    "imagenet-100": IMAGENET_100,
    "imagenet-1k": Benchmark(
        title="ImageNet-1k", data=Labelled(name="imagenet-1k", root="data/imagenet", side=224), k_tr=256,
        temperature=0.2, views=256_000_000, learning_rate=0.4,
    ),
    "folder": replace(
        IMAGENET_100, title="class folders", data=Labelled(name="folder", root="data/folder", side=224),
        views=10_000_000,
    ),
}  # fmt: skip


def benchmark_called(name: str, axes: LabelledAxes | None = None) -> Benchmark:
    """The benchmark of a name, its images with ``axes``; refuses any other name."""
    one_of("data", name, list(BENCHMARKS))
    benchmark = BENCHMARKS[name]
    return replace(benchmark, data=axes.applied(benchmark.data)) if axes else benchmark


def benchmark_of(data: Data) -> str:
    """The name of the benchmark of these images. A labelled set is known by its name, since ``root``, ``side`` and the
    like are axes; CDP images by all fields."""
    if isinstance(data, Labelled):
        return data.name
    return next(name for name, benchmark in BENCHMARKS.items() if benchmark.data == data)
