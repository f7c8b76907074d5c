"""What an estimation cell says of itself: flat values in bits, the certificate, and every critic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mi_ray.compute.estimation.estimate import Estimate, Learned, ViewsEstimate
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
from mi_ray.theory.certificate import Reading
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import nominal_bound_bits, strict_bound_bits

Values = dict[str, Any]


def told(estimate: Estimate) -> Values:
    """Each reading with its standard error, the bracket, the certificate or the reasons why not, and the critics."""
    probed = {"probe_train_bits": estimate.probed.train_bits}
    return _readings(estimate.readings) | _bracket(estimate) | _fit(estimate.learned) | probed


def told_views(estimate: ViewsEstimate) -> Values:
    """The same under augmentation, where nothing is certified; with the bounds and ceilings of its readings."""
    bounds = {f"{name}_bound_bits": value for name, value in estimate.bounds_bits.items()}
    ceilings = {f"{name}_ceiling_bits": value for name, value in estimate.ceilings_bits.items()}
    return _readings(estimate.readings) | _bracket(estimate) | _fit(estimate.learned) | bounds | ceilings


def _readings(readings: Mapping[str, Reading]) -> Values:
    return {
        name: value
        for reading, found in readings.items()
        for name, value in (
            (f"{reading}_bits", found.bits),
            (f"{reading}_standard_error_bits", found.standard_error_bits),
        )
    }


def _bracket(estimate: Estimate | ViewsEstimate) -> Values:
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


def _fit(learned: Learned) -> Values:
    """Means over critics, and a record of each."""
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
        "train_bits": learned.train_bits,
        VALIDATION.name: float(fit.validation_bits.mean()),
        "critic_temperature": max(temperatures),
        "critic_steps": int(fit.steps.max()),
        "critics": critics,
    }


def expected(channel: LabelChannel, k_est: int) -> Values:
    """What to hold the readings against: H(C), I(C; C'), and bounds and ceilings at K_est."""
    return {
        CLASS_ENTROPY.name: channel.entropy_bits,
        "label_channel_bits": channel.information_bits,
        "nominal_bound_bits": nominal_bound_bits(k_est),
        "nominal_ceiling_bits": channel.nominal_ceiling_bits(k_est),
        "strict_bound_bits": strict_bound_bits(k_est),
        "strict_ceiling_bits": channel.strict_ceiling_bits(k_est),
    }
