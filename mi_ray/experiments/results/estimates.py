"""The result of an estimation cell: flat values in bits, the certificate, and a record of every critic."""

from __future__ import annotations

from typing import Any

from mi_ray.compute.estimation.estimate import Estimate
from mi_ray.compute.estimation.learned import Learned
from mi_ray.experiments.declare.measures import (
    CERTIFIED,
    CLASS_ENTROPY,
    LOWER,
    NOMINAL,
    NOT_CERTIFIED,
    NOTE,
    UPPER,
    VALIDATION,
)

Values = dict[str, Any]


def result(estimate: Estimate) -> Values:
    """Each reading with its standard error, the bracket, the certificate or the reasons against it, the critics and
    what validation chose about them, and the bounds and ceilings to hold the readings against; H(C) and I(C; C') where
    pairs share a label."""
    readings: Values = {}
    for name, reading in estimate.readings.items():
        readings |= {f"{name}_bits": reading.bits, f"{name}_standard_error_bits": reading.standard_error_bits}
    own = {name: value for name, value in estimate.train_bits.items() if name not in estimate.learned.bounds}
    train = {f"{name}_train_bits": value for name, value in own.items()}
    critics = fit_record(estimate.learned) | dict(estimate.chosen)
    return readings | certificate(estimate) | critics | train | expected(estimate)


def certificate(estimate: Estimate) -> Values:
    """The bracket, and whether it is certified or the reasons why not."""
    limits = estimate.bracket
    return {
        LOWER.name: limits.lower_bits,
        UPPER.name: limits.upper_bits,
        "epsilon_bits": limits.epsilon_bits,
        "lower_from": limits.lower_from,
        CERTIFIED: estimate.certified,
        NOT_CERTIFIED: "; ".join(estimate.reasons),
        NOTE: estimate.note,
    }


def fit_record(learned: Learned) -> Values:
    """Means over the learned critics, and a record of each."""
    fit, temperatures = learned.fit, learned.fit.critics.temperature.tolist()
    critics = [
        {
            NOMINAL.name: scores.nominal_bits,
            VALIDATION.name: float(validation),
            "train_bits": float(train),
            "temperature": temperature,
            "steps": int(steps),
        }
        for scores, validation, train, temperature, steps in zip(
            learned.scores, fit.validation_bits, fit.train_bits, temperatures, fit.steps, strict=True
        )
    ]
    return {
        "train_bits": learned.train_mean_bits,
        VALIDATION.name: float(fit.validation_bits.mean()),
        "critic_temperature": max(temperatures),
        "critic_steps": int(fit.steps.max()),
        "critics": critics,
    }


def expected(estimate: Estimate) -> Values:
    """Bounds and ceilings of the readings at K_est; H(C) and I(C; C') where pairs share a label."""
    bounds = {f"{name}_bound_bits": value for name, value in estimate.bounds_bits.items()}
    ceilings = {f"{name}_ceiling_bits": value for name, value in estimate.ceilings_bits.items()}
    if estimate.augmented:
        return bounds | ceilings
    names = ("nominal_bound_bits", "nominal_ceiling_bits", "strict_bound_bits", "strict_ceiling_bits")
    entropies = {
        CLASS_ENTROPY.name: estimate.channel.entropy_bits,
        "label_channel_bits": estimate.channel.information_bits,
    }
    return entropies | {name: (bounds | ceilings)[name] for name in names}
