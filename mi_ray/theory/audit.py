"""The audit: what forbids a certificate, each in words a reader understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from mi_ray.theory.certificate import TOLERANCE_BITS, Bracket, Reading
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.listing import listed

SURPRISE = 1e-4
"""Chance below which class counts are not put down to luck."""

DEVIATIONS = 3.0
"""Standard errors by which a reading may exceed what is possible, by luck."""

GAP_BITS = 0.25
"""How much more a critic may read on the rows that it was fitted on than on held-out ones."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the audit looks at.

    ``readings``: held out, by name, with ``nominal`` among them; ``train_bits``: of the critics behind them, by the
    same names; ``shared``: names of the test images found in each other split; ``copied``: share of the test pairs
    that are an image and its own copy; ``class_counts`` [batches, C] of the test pairs; ``temperature``: the highest of
    the cosine critics.
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
    """Every reason to refuse a certificate, beginning with the gravest; empty if there is none."""
    reasons = [check(evidence) for check in CHECKS]
    return tuple(reason for reason in reasons if reason) + evidence.bracket.reasons


def not_finite(evidence: Evidence) -> str:
    lost = [name for name, r in evidence.readings.items() if not (isfinite(r.bits) and isfinite(r.standard_error_bits))]
    return f"not finite: {', '.join(lost)}" if lost else ""


def shared_images(evidence: Evidence) -> str:
    """Rows of test that critic or selection may have seen."""
    return overlap_reason(evidence.shared)


def overlap_reason(shared: Mapping[str, Sequence[str]]) -> str:
    """What to say of test images by name, by the other split that they were found in."""
    found = [f"{len(names)} in {split} ({listed(names)})" for split, names in shared.items() if names]
    return f"test images are not untouched: {', '.join(found)}" if found else ""


def copied_pairs(evidence: Evidence) -> str:
    """Two copies of an image agree in all, not in their class alone."""
    return f"{evidence.copied:.1%} of the pairs are an image and its own copy" if evidence.copied else ""


def selected_on_seen(names: Sequence[str]) -> str:
    """What to say of validation images that are train images too (``names``): critic, penalty and softness are chosen
    by rows that the fit saw. The choice is worse for it, and what is read on test is a bound all the same."""
    if not names:
        return ""
    return f"choices were made on images that the fit saw: {len(names)} of validation are in train ({listed(names)})"


def class_counts(evidence: Evidence) -> str:
    """Pairs must be drawn independently: balanced batches raise the nominal ceiling above H(C).

    Pearson's statistic over all batches, against the chi-square scaled to its exact mean and variance: rare classes
    give it a longer tail (Haldane 1937).
    """
    counts, prior = evidence.class_counts, np.asarray(evidence.channel.prior)
    if counts[:, prior == 0].any():
        return "classes of the pairs do not follow the declared prior"
    counts, prior, k = counts[:, prior > 0], prior[prior > 0], evidence.k_est
    mean = len(prior) - 1
    variance = 2 * mean + ((1 / prior).sum() - (mean + 1) ** 2 - 2 * mean) / k
    scale = variance / (2 * mean)
    statistic, freedom = ((counts - k * prior) ** 2 / (k * prior)).sum() / scale, len(counts) * mean / scale
    if chi2.cdf(statistic, freedom) < SURPRISE:
        return "classes are balanced within batches; pairs must be drawn independently"
    if chi2.sf(statistic, freedom) < SURPRISE:
        return "classes of the pairs do not follow the declared prior"
    return ""


def above_the_possible(evidence: Evidence) -> str:
    """A leak, or pairs that are not independent."""
    most = evidence.channel.information_bits
    ceiling = max(most, evidence.channel.nominal_ceiling_bits(evidence.k_est))
    for name, reading in evidence.readings.items():
        allowed = ceiling if name == "nominal" else most
        if reading.bits - DEVIATIONS * reading.standard_error_bits > allowed:
            return f"{name} reads {reading.bits:.2f} bits, more than the {allowed:.2f} possible: a leak"
    return ""


def train_gap(evidence: Evidence) -> str:
    """An overfitted critic behind the lower end."""
    name = evidence.bracket.lower_from
    if name not in evidence.train_bits:
        return ""
    train, held = evidence.train_bits[name], evidence.readings[name].bits
    if train - held <= GAP_BITS + DEVIATIONS * evidence.readings[name].standard_error_bits:
        return ""
    return f"the critic is overfitted: {name} reads {train:.2f} bits on its training rows, {held:.2f} on held-out ones"


def too_few_pairs(evidence: Evidence) -> str:
    """K_est below what the ceiling needs."""
    ceiling, most = evidence.channel.nominal_ceiling_bits(evidence.k_est), evidence.channel.information_bits
    if ceiling >= most - TOLERANCE_BITS:
        return ""
    return f"K_est = {evidence.k_est} is too small: a perfect encoder would read {ceiling:.2f} of {most:.2f} bits"


def too_warm(evidence: Evidence) -> str:
    """A cosine critic cannot tell classes apart by more than its temperature allows."""
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
    """What to say of a learned critic that reads far less than the probe's: the critic is poor, not the encoder."""
    gap = probe.bits - critic.bits
    if gap <= max(TOLERANCE_BITS, DEVIATIONS * probe.standard_error_bits):
        return ""
    return f"the learned critic is under-trained: it reads {critic.bits:.2f} bits, the probe {probe.bits:.2f}"
