"""The audit: checks that refuse a certificate, each with its reason in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, chdtrc

from mi_ray.theory.certificate import TOLERANCE_BITS, Bracket, Reading
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.listing import listed

SURPRISE = 1e-4
"""Class counts with a smaller p-value are taken for a fault of the sampling."""

DEVIATIONS = 3.0
"""Standard errors by which a reading may exceed its ceiling."""

GAP_BITS = 0.25
"""Allowed excess of a critic's reading on its training rows over its reading on held-out rows."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Input of the audit.

    ``readings``: held-out readings by name, ``nominal`` included; ``train_bits``: the same critics' readings on their
    training rows, by the same names; ``shared``: names of test images that also occur in another split, by that split;
    ``copied``: share of test pairs that consist of an image and a copy of it; ``class_counts`` [batches, C]: classes of
    the test pairs; ``temperature``: the highest temperature of the cosine critics.
    """

    channel: LabelChannel
    bracket: Bracket
    readings: Mapping[str, Reading]
    train_bits: Mapping[str, float]
    shared: Mapping[str, Sequence[str]]
    copied: float
    class_counts: NDArray
    k_est: int
    temperature: float


def audit(evidence: Evidence) -> tuple[str, ...]:
    """All reasons to refuse a certificate, the gravest first; empty if there are none."""
    reasons = [check(evidence) for check in CHECKS]
    return tuple(reason for reason in reasons if reason) + evidence.bracket.reasons


def not_finite(evidence: Evidence) -> str:
    """Readings that are NaN or infinite."""
    lost = [name for name, r in evidence.readings.items() if not (isfinite(r.bits) and isfinite(r.standard_error_bits))]
    return f"not finite: {', '.join(lost)}" if lost else ""


def shared_images(evidence: Evidence) -> str:
    """Test images that the critic or the model selection may have seen."""
    return overlap_reason(evidence.shared)


def overlap_reason(shared: Mapping[str, Sequence[str]]) -> str:
    """The reason why test images that also occur in another split matter; ``shared``: their names, by that split."""
    counts = [f"{len(names)} in {split} ({listed(names)})" for split, names in shared.items() if names]
    return f"test images are not untouched: {', '.join(counts)}" if counts else ""


def copied_pairs(evidence: Evidence) -> str:
    """Pairs of identical images share more than their class."""
    return f"{evidence.copied:.1%} of the pairs are an image and its own copy" if evidence.copied else ""


def selected_on_seen(names: Sequence[str]) -> str:
    """A note on validation images that are also train images (``names``).

    Critic, probe and softness are then chosen on rows that the fit saw. The choice may be worse, but readings on test
    rows are still lower bounds, so this alone refuses no certificate.
    """
    if not names:
        return ""
    return f"choices were made on images that the fit saw: {len(names)} of validation are in train ({listed(names)})"


def class_counts(evidence: Evidence) -> str:
    """Pairs that were not drawn independently from the prior; balanced batches raise the nominal ceiling above H(C).

    Pearson's statistic over all batches is compared with a chi-square that is scaled to the statistic's exact mean and
    variance, because rare classes give it a longer tail (Haldane 1937).
    """
    counts, prior = evidence.class_counts, np.asarray(evidence.channel.prior)
    if counts[:, prior == 0].any():
        return "classes of the pairs do not follow the declared prior"
    counts, prior, k = counts[:, prior > 0], prior[prior > 0], evidence.k_est
    mean = len(prior) - 1
    variance = 2 * mean + ((1 / prior).sum() - (mean + 1) ** 2 - 2 * mean) / k
    scale = variance / (2 * mean)
    statistic, freedom = ((counts - k * prior) ** 2 / (k * prior)).sum() / scale, len(counts) * mean / scale
    if chdtr(freedom, statistic) < SURPRISE:
        return "classes are balanced within batches; pairs must be drawn independently"
    if chdtrc(freedom, statistic) < SURPRISE:
        return "classes of the pairs do not follow the declared prior"
    return ""


def above_the_possible(evidence: Evidence) -> str:
    """A reading above the ceiling of a perfect encoder: a leak, or pairs that are not independent."""
    most = evidence.channel.information_bits
    ceiling = max(most, evidence.channel.nominal_ceiling_bits(evidence.k_est))
    for name, reading in evidence.readings.items():
        allowed = ceiling if name == "nominal" else most
        if reading.bits - DEVIATIONS * reading.standard_error_bits > allowed:
            return f"{name} reads {reading.bits:.2f} bits, more than the {allowed:.2f} possible: a leak"
    return ""


def train_gap(evidence: Evidence) -> str:
    """An overfitted critic behind the lower end of the bracket."""
    name = evidence.bracket.lower_from
    if name not in evidence.train_bits:
        return ""
    train, held = evidence.train_bits[name], evidence.readings[name].bits
    if train - held <= GAP_BITS + DEVIATIONS * evidence.readings[name].standard_error_bits:
        return ""
    return f"the critic is overfitted: {name} reads {train:.2f} bits on its training rows, {held:.2f} on held-out ones"


def too_few_pairs(evidence: Evidence) -> str:
    """K_est too small for a perfect encoder to reach I(C; C')."""
    ceiling, most = evidence.channel.nominal_ceiling_bits(evidence.k_est), evidence.channel.information_bits
    if ceiling >= most - TOLERANCE_BITS:
        return ""
    return f"K_est = {evidence.k_est} is too small: a perfect encoder would read {ceiling:.2f} of {most:.2f} bits"


def too_warm(evidence: Evidence) -> str:
    """A temperature so high that a cosine critic cannot reach the ceiling."""
    free = evidence.channel.nominal_ceiling_bits(evidence.k_est)
    capped = evidence.channel.nominal_ceiling_bits(evidence.k_est, temperature=evidence.temperature)
    if capped >= free - TOLERANCE_BITS:
        return ""
    return f"at temperature {evidence.temperature:.2f} a cosine critic reads at most {capped:.2f} of {free:.2f} bits"


CHECKS: tuple[Callable[[Evidence], str], ...] = (
    not_finite,
    shared_images,
    copied_pairs,
    class_counts,
    above_the_possible,
    train_gap,
    too_few_pairs,
    too_warm,
)


def undertrained(critic: Reading, probe: Reading) -> str:
    """A note on a learned critic that reads far less than the probe: the critic is at fault, not the encoder."""
    gap = probe.bits - critic.bits
    if gap <= max(TOLERANCE_BITS, DEVIATIONS * probe.standard_error_bits):
        return ""
    return f"the learned critic is under-trained: it reads {critic.bits:.2f} bits, the probe {probe.bits:.2f}"
