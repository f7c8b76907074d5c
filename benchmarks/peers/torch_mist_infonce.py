"""torch-mist's InfoNCE, from the same family as NT-Xent: a lower bound that is at most log K."""

from __future__ import annotations

from mist import held_out_bits
from protocol import Splits, Values, main

CHOICES = (
    {"hidden_dims": [128]},
    {"hidden_dims": [256, 128]},
    {"hidden_dims": [256, 128], "normalize": True, "temperature": 0.1, "learning_rate": 1e-3},
)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """InfoNCE of held-out pairs with a separable critic; in the last choice, a cosine critic."""
    return held_out_bits(splits, seed, estimator="infonce", **CHOICES[choice])


if __name__ == "__main__":
    main(estimate)
