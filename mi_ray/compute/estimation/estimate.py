"""Post-training MI estimation (Sec. III-C, Fig. 3 bottom): critics fitted on train, read on test, and audited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mi_ray.compute.estimation.critic import refuse_names
from mi_ray.compute.estimation.learned import Learned, LearnedCritics
from mi_ray.compute.estimation.own import OwnCritic
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Outcome, Problem
from mi_ray.compute.estimation.samples import copied_share, image_channel, shared
from mi_ray.theory.audit import (
    GAP_BITS,
    Evidence,
    above_the_possible,
    audit,
    not_finite,
    selected_on_seen,
    shared_images,
    too_warm,
    train_gap,
    undertrained,
)
from mi_ray.theory.certificate import TOLERANCE_BITS, Bracket, Reading, bracket
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits, strict_bound_bits

NO_TRUTH = "no known truth under augmentation"
"""Why an estimate of views certifies nothing: Theorem III.1 is about same-class sampling."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Readings of I(h_X; h_Y) by name, the bracket that they make, and whether it is certified.

    ``nominal`` is Eq. 4; every other reading is a lower bound: ``strict`` and ``nwj`` by the learned critics, ``probe``
    and ``confusion`` by the probe, the rest by critics of the user's own. ``train_bits``: the same critics on train
    pairs. ``channel`` and ``k_est`` give bounds and ceilings; ``augmented``: pairs are views, the channel the image.
    ``reasons`` forbid the certificate; ``note`` is anything else that a reader should know. ``chosen``: what validation
    chose about the critics, by name (``probe_hidden_units``, 0 of a linear probe).
    """

    readings: Mapping[str, Reading]
    train_bits: Mapping[str, float]
    learned: Learned
    bracket: Bracket
    reasons: tuple[str, ...]
    note: str
    channel: LabelChannel
    k_est: int
    augmented: bool
    chosen: Mapping[str, float]

    @property
    def certified(self) -> bool:
        """Whether the bracket is narrow enough and the audit found nothing; never of views (`NO_TRUTH`)."""
        return not self.reasons

    @property
    def bounds_bits(self) -> Mapping[str, float]:
        """Upper bounds of the readings, by reading: log(2K-1) of ``nominal``, log K of ``strict`` (Prop. II.2)."""
        return {"nominal": nominal_bound_bits(self.k_est), "strict": strict_bound_bits(self.k_est)}

    @property
    def ceilings_bits(self) -> Mapping[str, float]:
        """The readings of a perfect encoder, by reading: one that separates all classes (for views: all images)."""
        return ceilings_bits(self.channel, self.k_est)


def ceilings_bits(channel: LabelChannel, k_est: int) -> dict[str, float]:
    """The readings of a perfect encoder at ``k_est``, in bits, by reading; other readings have the ceiling of
    ``nwj``."""
    return {
        "nominal": channel.nominal_ceiling_bits(k_est),
        "strict": channel.strict_ceiling_bits(k_est),
        "nwj": channel.information_bits,
    }


def estimate(problem: Problem, learned: LearnedCritics, *others: ProbeCritic | OwnCritic) -> Estimate:
    """Fit every critic on train, choose it on validation, read it on test, and audit the readings (Def. II.2).

    The bracket takes the best lower limit of all bounds. ValueError if a user's critic has a name that is taken.
    """
    refuse_names([critic.critic for critic in others if isinstance(critic, OwnCritic)])
    first = learned.fit(problem.fit_data).read(problem)
    rest = [critic.fit(problem.fit_data).read(problem) for critic in others]
    outcomes: list[Learned | Outcome] = [first, *rest]
    bounds = {name: reading for outcome in outcomes for name, reading in outcome.bounds.items()}
    readings = {"nominal": first.readings.nominal} | bounds
    limits = bracket(bounds, problem.channel.information_bits)
    evidence = evidence_of(problem, outcomes, readings, limits, first.fit.critics.temperature.max().item())
    if problem.labels is None:
        reasons, notes = audit_views(problem, evidence, first, learned.settings.k)
    else:
        reasons, notes = audit(evidence), []
        if "probe" in bounds:
            notes = [undertrained(bounds["nwj"], bounds["probe"])]
    validation, train = (problem.samples[split].origin for split in ("validation", "train"))
    return Estimate(
        readings=readings,
        train_bits=evidence.train_bits,
        learned=first,
        bracket=limits,
        reasons=reasons,
        note="; ".join(filter(None, [*notes, selected_on_seen(shared(validation, train))])),
        channel=problem.channel,
        k_est=problem.k_est,
        augmented=problem.labels is None,
        chosen={name: value for outcome in rest for name, value in outcome.chosen.items()},
    )


def evidence_of(
    problem: Problem,
    outcomes: list[Learned | Outcome],
    readings: Mapping[str, Reading],
    limits: Bracket,
    temperature: float,
) -> Evidence:
    """The evidence that the audit judges, from a problem and its readings."""
    test, channel = problem.samples["test"], problem.channel
    classes = test.labels[problem.pairs.x]
    return Evidence(
        channel=channel,
        bracket=limits,
        readings=readings,
        train_bits={name: value for outcome in outcomes for name, value in outcome.train_bits.items()},
        shared={split: shared(test.origin, problem.samples[split].origin) for split in ("train", "validation")},
        copied=copied_share(test, problem.pairs),
        class_counts=np.stack([np.bincount(batch, minlength=len(channel.prior)) for batch in classes]),
        k_est=problem.k_est,
        temperature=temperature,
    )


def audit_views(
    problem: Problem, evidence: Evidence, learned: Learned, k_fit: int
) -> tuple[tuple[str, ...], list[str]]:
    """The reasons and notes of pairs of views: checks of classes do not apply, and nothing is certified."""
    faults = (not_finite(evidence), shared_images(evidence), above_the_possible(evidence))
    own_gap = "" if evidence.bracket.lower_from in learned.bounds else train_gap(evidence)
    notes = [
        saturated(evidence.readings, ceilings_bits(problem.channel, problem.k_est)),
        too_warm(evidence),
        overfitted(problem, learned, k_fit),
        own_gap,
    ]
    return (*filter(None, faults), NO_TRUTH), notes


def saturated(readings: Mapping[str, Reading], ceilings: Mapping[str, float]) -> str:
    """The note on readings that are at their ceiling: they would read the same of more information; empty if none."""
    full = [
        f"{name} {reading.bits:.2f} of {ceiling:.2f} bits"
        for name, reading in readings.items()
        if (ceiling := ceilings.get(name, ceilings["nwj"])) - reading.bits
        <= max(TOLERANCE_BITS, reading.standard_error_bits)
    ]
    return f"saturated at what so many pairs and images let through: {', '.join(full)}" if full else ""


def overfitted(problem: Problem, learned: Learned, k_fit: int) -> str:
    """The note on critics of views that read more on train than on validation pairs; empty if they do not.

    Compares the readings at ``k_fit``, and allows for the lower ceiling of a split with fewer images. An encoder that
    knows its training images shows the same as an overfitted critic.
    """
    train, validation = learned.train_mean_bits, float(learned.fit.validation_bits.mean())
    most = [image_channel(problem.samples[split]).nominal_ceiling_bits(k_fit) for split in ("train", "validation")]
    if train - validation <= GAP_BITS + max(0.0, most[0] - most[1]):
        return ""
    return f"critics or encoder are overfitted: train pairs read {train:.2f} bits, validation pairs {validation:.2f}"
