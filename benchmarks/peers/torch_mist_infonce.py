"""torch-mist's InfoNCE: the estimator of the same family, a lower bound capped by log K."""

from __future__ import annotations

from mist import held_out_bits
from protocol import Splits, Values, main

CHOICES = (
    {"hidden_dims": [128]},
    {"hidden_dims": [256, 128]},
    {"hidden_dims": [256, 128], "normalize": True, "temperature": 0.1, "learning_rate": 1e-3},
)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """Held-out InfoNCE with a separable critic; the last choice is a cosine critic."""
    return held_out_bits(splits, seed, estimator="infonce", **CHOICES[choice])


if __name__ == "__main__":
    main(estimate)
