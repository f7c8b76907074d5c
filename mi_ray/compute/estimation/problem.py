"""An estimation problem as a value: frozen embeddings of three splits, their label channel, and the pairs to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch

from mi_ray.compute.estimation.readings import Pairs, draw_pairs
from mi_ray.compute.estimation.samples import Sample, Samples, image_channel
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import CPU, Rows, tensor_of
from mi_ray.compute.numerics.finite import refuse_rows
from mi_ray.theory.certificate import Reading
from mi_ray.theory.channel import LabelChannel

TRAIN_PAIRS = 4096
"""Train pairs on which a critic is read, to see whether it is overfitted."""


def drawn(sample: Sample, split: str, seed: int, k: int, batches: int = 1) -> Pairs:
    """``batches`` batches of ``k`` positive pairs of a split, a function of split, ``seed`` and batch number alone."""
    return draw_pairs(
        sample.couple, sample.origin.independent, k=k, batches=batches, seed=seed, purpose=f"read {split}"
    )


def softened(axes: PrincipalAxes, sample: Sample) -> Rows:
    """The rows of a split on softened axes, on their device; NotFinite if an embedding is not finite."""
    h = tensor_of(sample.h)
    refuse_rows("h", h)
    return Rows(h, axes.softened, device=axes.device)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitData:
    """The data that a critic is given: it is fitted on ``train`` and selected on ``validation``.

    ``channel``: the label channel of the pairs, or, for pairs of views, the channel of their images. ``k_est`` and
    ``batches``: the number of pairs per test batch and of test batches. ``device``: where critics are fitted and read.
    """

    train: Sample
    validation: Sample
    channel: LabelChannel
    k_est: int
    batches: int
    seed: int
    device: torch.device = CPU

    @cached_property
    def axes(self) -> PrincipalAxes:
        """Principal axes of the train embeddings, on the device."""
        return PrincipalAxes(tensor_of(self.train.h), self.device)

    @cached_property
    def softened(self) -> Mapping[str, Rows]:
        """Train and validation rows on softened axes (`softened`), which several critics share."""
        return {"train": softened(self.axes, self.train), "validation": softened(self.axes, self.validation)}

    @cached_property
    def held(self) -> Pairs:
        """As many validation pairs as will be read on test: an NWJ offset is fitted on them."""
        return self.pairs("validation", self.k_est, self.batches)

    @cached_property
    def seen(self) -> Pairs:
        """Train pairs, for the reading that an audit holds against that on test pairs."""
        return self.pairs("train", TRAIN_PAIRS)

    def pairs(self, split: Literal["train", "validation"], k: int, batches: int = 1) -> Pairs:
        """Positive pairs of ``split``: indices x, y [batches, k] of its rows; the same in every call."""
        return drawn({"train": self.train, "validation": self.validation}[split], split, self.seed, k, batches)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """I(h_X; h_Y) of the test embeddings, to be read on ``batches`` batches of ``k_est`` positive pairs.

    ``labels``: the label channel that the pairs share, or None for pairs of views (T_SimCLR, Fig. 1b), which share an
    image: `samples.flattened` then gives ``samples``. ``seed`` draws the pairs. ``device``: where critics are fitted
    and read.
    """

    samples: Samples
    labels: LabelChannel | None = None
    k_est: int
    batches: int
    seed: int
    device: torch.device = CPU

    @cached_property
    def channel(self) -> LabelChannel:
        """The channel that limits I(X; Y): X - label - Y, or X - image - Y with uniform images, is a Markov chain."""
        return image_channel(self.samples["test"]) if self.labels is None else self.labels

    @cached_property
    def fit_data(self) -> FitData:
        """The part of the problem that critics may see."""
        return FitData(
            train=self.samples["train"],
            validation=self.samples["validation"],
            channel=self.channel,
            k_est=self.k_est,
            batches=self.batches,
            seed=self.seed,
            device=self.device,
        )

    @cached_property
    def pairs(self) -> Pairs:
        """The held-out test pairs that every critic is read on."""
        return drawn(self.samples["test"], "test", self.seed, self.k_est, self.batches)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Readings of a critic on test pairs, each a lower bound of the mutual information, and on train pairs, by name;
    ``chosen``: what validation chose about the critic, by name."""

    bounds: Mapping[str, Reading]
    train_bits: Mapping[str, float]
    chosen: Mapping[str, float] = field(default_factory=dict)
