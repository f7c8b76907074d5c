"""torch-mist's SMILE (clipped at tau = 5 nats): not capped by log K, and no bound either.

Its validation value may therefore exceed the truth; the highest is chosen all the same, as torch-mist itself stops by.
"""

from __future__ import annotations

from mist import held_out_bits
from protocol import Splits, Values, main

CHOICES = (
    {"hidden_dims": [128]},
    {"hidden_dims": [256, 256], "neg_samples": 16},
    {
        "hidden_dims": [256, 128],
        "critic_type": "separable",
        "neg_samples": -1,
        "normalize": True,
        "temperature": 0.1,
        "learning_rate": 1e-3,
    },
)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """Held-out SMILE with a joint critic and one negative a pair, more of them, or a cosine critic with all."""
    return held_out_bits(splits, seed, estimator="smile", **CHOICES[choice])


if __name__ == "__main__":
    main(estimate)
