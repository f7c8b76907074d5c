"""torch-mist's SMILE, clipped at tau = 5 nats: not limited by log K, and not a bound.

Its validation value may therefore exceed the truth; the choice with the highest value is taken nevertheless, because
torch-mist itself stops training by that value.
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
    """SMILE of held-out pairs. Choices: a joint critic with one negative per pair; a joint critic with 16; a cosine
    critic with all negatives."""
    return held_out_bits(splits, seed, estimator="smile", **CHOICES[choice])


if __name__ == "__main__":
    main(estimate)
