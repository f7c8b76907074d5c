"""benchmark-mi 0.1.3's InfoNCE (`bmi`): a joint critic in JAX.

`InfoNCEEstimator.estimate` splits at random and returns the highest value on its own test half. Here its training loop
is called with our splits instead: validation pairs stop the training, and the highest value on them is the validation
score. The critic with that value is scored on the test pairs.
"""

from __future__ import annotations

import jax
from bmi.estimators.neural import _backend_linear_memory as one_row_at_a_time
from bmi.estimators.neural import _backend_quadratic_memory as at_once
from bmi.estimators.neural._basic_training import basic_training
from bmi.estimators.neural._critics import MLP
from protocol import BITS_PER_NAT, Pairs, Splits, Values, main

STEPS = 2000
CHOICES = (
    {"hidden_layers": [16, 8], "learning_rate": 0.1, "test_every_n_steps": 250},
    {"hidden_layers": [16, 8], "learning_rate": 3e-3, "test_every_n_steps": 100},
    {"hidden_layers": [64, 32], "learning_rate": 1e-3, "test_every_n_steps": 100},
)
infonce = jax.jit(one_row_at_a_time.infonce)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """InfoNCE of all held-out pairs in one batch, in bits, on test and on validation pairs."""
    standard, settings = splits.standardised(), dict(CHOICES[choice])
    key_critic, key_fit = jax.random.split(jax.random.PRNGKey(seed))
    train, validation, test = map(_arrays, (standard.train, standard.validation, standard.test))
    widths = train[0].shape[1], train[1].shape[1], settings.pop("hidden_layers")
    seen: list[tuple[float, MLP]] = []

    def score(critic: MLP, x: jax.Array, y: jax.Array) -> float:
        seen.append((float(infonce(critic, x, y)), critic))
        return seen[-1][0]

    basic_training(
        key_fit, MLP(key_critic, *widths), at_once.infonce, *train, score, *validation,
        max_n_steps=STEPS, verbose=False, **settings,
    )  # fmt: skip
    validation_nats, best = max(seen, key=lambda entry: entry[0])
    return float(infonce(best, *test)) * BITS_PER_NAT, validation_nats * BITS_PER_NAT


def _arrays(pairs: Pairs) -> tuple[jax.Array, jax.Array]:
    return jax.numpy.asarray(pairs.x), jax.numpy.asarray(pairs.y)


if __name__ == "__main__":
    main(estimate)
