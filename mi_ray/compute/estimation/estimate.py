"""Post-training MI estimation (Sec. III-C, Fig. 3 bottom): fresh critics, a frozen encoder, untouched images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from mi_ray.compute.estimation.critics import Critics, Fit, Report, Settings, fit_critics, unheard
from mi_ray.compute.estimation.posterior import Posterior, confused, fit_posterior, score_posterior
from mi_ray.compute.estimation.readings import Pairs, Readings, Scores, draw_pairs, read, read_nwj, score
from mi_ray.compute.estimation.samples import Sample, Samples, copied_share, shared
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.theory.audit import (
    GAP_BITS,
    Evidence,
    above_the_possible,
    audit,
    not_finite,
    selected_on_seen,
    shared_images,
    too_warm,
    undertrained,
)
from mi_ray.theory.certificate import TOLERANCE_BITS, Bracket, Reading, bracket
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits, nominal_bound_bits, strict_bound_bits

OFFSET_PAIRS = 1024
"""Validation pairs that the NWJ offset of a cosine critic is fitted on."""

TRAIN_PAIRS = 4096
"""Train pairs that the probe's critic is read on, to see whether it is overfitted."""

NO_TRUTH = "no known truth under augmentation"
"""Why an estimate of views certifies nothing: Theorem III.1 speaks of same-class sampling."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What fresh critics read on held-out pairs, the scores of each and the fit behind them; no labels were seen."""

    readings: Readings
    scores: Sequence[Scores]
    fit: Fit

    @property
    def train_bits(self) -> float:
        """Eq. 4 on the rows that they were fitted on, mean over critics."""
        return float(self.fit.train_bits.mean())


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What the probe's critic reads on held-out pairs: soft, from the predicted class alone, and on train pairs."""

    probe: Reading
    confusion: Reading
    train_bits: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Readings of I(h_X; h_Y) by name, and what they certify.

    ``nominal`` is Eq. 4; ``strict`` and ``nwj`` are lower bounds by the same critics, ``probe`` and ``confusion`` by
    the probe. ``reasons`` say why there is no certificate, ``note`` what else a reader should know.
    """

    readings: Mapping[str, Reading]
    learned: Learned
    probed: Probed
    bracket: Bracket
    reasons: tuple[str, ...]
    note: str

    @property
    def certified(self) -> bool:
        """The bracket is narrow enough, and the audit found nothing."""
        return not self.reasons


@dataclass(frozen=True, kw_only=True)
class ViewsEstimate:
    """Readings of I(h_X; h_Y) under T_SimCLR (Fig. 1b) by name, and what to hold them against; by critics alone.

    ``bounds_bits``: log(2K-1) and log K, by reading (Prop. II.2). ``ceilings_bits``: what an encoder that tells all n
    test images apart reads. ``bracket`` ends at log n: X - image - Y is a Markov chain and the image uniform.
    """

    readings: Mapping[str, Reading]
    learned: Learned
    bounds_bits: Mapping[str, float]
    ceilings_bits: Mapping[str, float]
    bracket: Bracket
    reasons: tuple[str, ...]
    note: str

    @property
    def certified(self) -> bool:
        """Never: `NO_TRUTH`."""
        return not self.reasons


def estimate(
    samples: Samples,
    channel: LabelChannel,
    *,
    k_est: int,
    batches: int,
    penalties: Sequence[float],
    settings: Settings,
    report: Report = unheard,
) -> Estimate:
    """Fit critics and a probe on train, select them on validation, read them on test, and audit (Def. II.2).

    ``k_est`` counts positive pairs per batch, ``batches`` how many are read; ``penalties`` are the probe's, and
    ``settings`` the critics', of whose fit ``report`` hears.
    """
    pairs = _pairs(samples, "test", k_est, settings.seeds[0], batches)
    axes = PrincipalAxes(torch.from_numpy(samples["train"].h))
    learned = read_learned(samples, axes, pairs, settings, report)
    probed = read_probe(samples, axes, pairs, channel, penalties, settings.seeds[0])
    strict = {
        "strict": learned.readings.strict,
        "nwj": learned.readings.nwj,
        "probe": probed.probe,
        "confusion": probed.confusion,
    }
    readings = {"nominal": learned.readings.nominal} | strict
    limits = bracket(strict, channel.information_bits)
    copied = copied_share(samples["test"], pairs)
    evidence = _evidence(samples, channel, pairs, learned, readings, limits, copied, probe=probed.train_bits)
    return Estimate(
        readings=readings,
        learned=learned,
        probed=probed,
        bracket=limits,
        reasons=audit(evidence),
        note="; ".join(filter(None, (undertrained(learned.readings.nwj, probed.probe), _selected(samples)))),
    )


def estimate_views(
    samples: Samples, *, k_est: int, batches: int, settings: Settings, report: Report = unheard
) -> ViewsEstimate:
    """Fit critics on train, stop them on validation and read them on test, of views paired by image (`views`).

    Labels are the images' indices, which only the bounds count; the rest is that of `estimate`.
    """
    pairs = _pairs(samples, "test", k_est, settings.seeds[0], batches)
    learned = read_learned(samples, PrincipalAxes(torch.from_numpy(samples["train"].h)), pairs, settings, report)
    strict = {"strict": learned.readings.strict, "nwj": learned.readings.nwj}
    readings = {"nominal": learned.readings.nominal} | strict
    images = _images(samples["test"])
    limits = bracket(strict, images.information_bits)
    ceilings = {"nominal": images.nominal_ceiling_bits(k_est), "strict": images.strict_ceiling_bits(k_est)}
    ceilings["nwj"] = images.information_bits
    evidence = _evidence(samples, images, pairs, learned, readings, limits, copied=0.0)
    faults = (not_finite(evidence), shared_images(evidence), above_the_possible(evidence))
    overfitted = _overfitted(learned.fit, samples, settings.k)
    notes = (_saturated(readings, ceilings), too_warm(evidence), overfitted, _selected(samples))
    return ViewsEstimate(
        readings=readings,
        learned=learned,
        bounds_bits={"nominal": nominal_bound_bits(k_est), "strict": strict_bound_bits(k_est)},
        ceilings_bits=ceilings,
        bracket=limits,
        reasons=(*filter(None, faults), NO_TRUTH),
        note="; ".join(filter(None, notes)),
    )


def _saturated(readings: Mapping[str, Reading], ceilings: Mapping[str, float]) -> str:
    """Which readings can tell no more, whatever the true value is."""
    full = [
        f"{name} {reading.bits:.2f} of {ceilings[name]:.2f} bits"
        for name, reading in readings.items()
        if ceilings[name] - reading.bits <= max(TOLERANCE_BITS, reading.standard_error_bits)
    ]
    return f"saturated at what so many pairs and images let through: {', '.join(full)}" if full else ""


def _overfitted(fit: Fit, samples: Samples, k: int) -> str:
    """At the K of the fit; splits of fewer images let less through. An encoder that knows its training images shows the
    same as an overfitted critic."""
    train, validation = float(fit.train_bits.mean()), float(fit.validation_bits.mean())
    most = [_images(samples[split]).nominal_ceiling_bits(k) for split in ("train", "validation")]
    if train - validation <= GAP_BITS + max(0.0, most[0] - most[1]):
        return ""
    return f"critics or encoder are overfitted: train pairs read {train:.2f} bits, validation pairs {validation:.2f}"


def _images(sample: Sample) -> LabelChannel:
    """Two views tell each other their image, one of n alike, at most."""
    return LabelChannel.uniform(len(np.unique(sample.labels)))


def read_learned(
    samples: Samples, axes: PrincipalAxes, pairs: Pairs, settings: Settings, report: Report = unheard
) -> Learned:
    """Fit a critic for each seed, stop it on validation and read it once on test ``pairs``; sees no labels."""
    rows = {split: axes.softened(torch.from_numpy(sample.h)) for split, sample in samples.items()}
    train, validation = ((rows[split], samples[split].couple) for split in ("train", "validation"))
    fit = fit_critics(train, validation, settings, report)
    held = _pairs(samples, "validation", OFFSET_PAIRS, settings.seeds[0])
    offsets = [scores.nwj.best_offset for scores in _scores(fit.critics, rows["validation"], held)]
    scores = _scores(fit.critics, rows["test"], pairs)
    return Learned(readings=read(scores, pairs, offsets), scores=scores, fit=fit)


def read_probe(
    samples: Samples, axes: PrincipalAxes, pairs: Pairs, channel: LabelChannel, penalties: Sequence[float], seed: int
) -> Probed:
    """Fit a probe on train, choose and calibrate it on validation, and read its critic once on test ``pairs``."""
    h = {split: torch.from_numpy(sample.h) for split, sample in samples.items()}
    train, validation = ((h[split], samples[split].labels) for split in ("train", "validation"))
    sources = samples["validation"].origin.independent
    model = fit_posterior(train, validation, sources, channel.prior, penalties=penalties, axes=axes)
    p = {split: model(rows) for split, rows in h.items()}
    held = _pairs(samples, "validation", pairs.k, seed, len(pairs.x))
    seen = _pairs(samples, "train", TRAIN_PAIRS, seed)

    def confused_rows(rows: Posterior) -> Posterior:
        return confused(p["validation"], validation[1], np.asarray(channel.prior), rows)

    offset = score_posterior(p["validation"], held, channel).best_offset
    hard = score_posterior(confused_rows(p["validation"]), held, channel).best_offset
    return Probed(
        probe=read_nwj([score_posterior(p["test"], pairs, channel)], [offset]),
        confusion=read_nwj([score_posterior(confused_rows(p["test"]), pairs, channel)], [hard]),
        train_bits=bits(score_posterior(p["train"], seen, channel).value(offset)),
    )


def _pairs(samples: Samples, split: str, k: int, seed: int, batches: int = 1) -> Pairs:
    sample = samples[split]
    return draw_pairs(
        sample.couple, sample.origin.independent, k=k, batches=batches, seed=seed, purpose=f"read {split}"
    )


@torch.inference_mode()
def _scores(critics: Critics, rows: Tensor, pairs: Pairs) -> list[Scores]:
    """Of each critic."""
    z = critics(rows.expand(len(critics.temperature), -1, -1))
    return [score(of, pairs, temperature=t) for of, t in zip(z, critics.temperature.tolist(), strict=True)]


def _selected(samples: Samples) -> str:
    return selected_on_seen(shared(samples["validation"].origin, samples["train"].origin))


def _evidence(
    samples: Samples,
    channel: LabelChannel,
    pairs: Pairs,
    learned: Learned,
    readings: Mapping[str, Reading],
    limits: Bracket,
    copied: float,
    **train_bits: float,
) -> Evidence:
    """For the audit; ``train_bits`` of others than the critics."""
    return Evidence(
        channel=channel,
        bracket=limits,
        readings=readings,
        train_bits={"strict": learned.train_bits, "nwj": learned.train_bits, **train_bits},
        shared={split: shared(samples["test"].origin, samples[split].origin) for split in ("train", "validation")},
        copied=copied,
        class_counts=_class_counts(samples["test"].labels[pairs.x], len(channel.prior)),
        k_est=pairs.k,
        temperature=learned.fit.critics.temperature.max().item(),
    )


def _class_counts(classes: Int64[np.ndarray, "batches k"], n_classes: int) -> Int64[np.ndarray, "batches classes"]:
    return np.stack([np.bincount(batch, minlength=n_classes) for batch in classes])
