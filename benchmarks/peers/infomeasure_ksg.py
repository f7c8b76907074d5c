"""infomeasure 0.6.3's KSG, the classical estimator. It fits nothing, so no pairs are held out and nothing is tuned.

It is computed on the training pairs, the largest split, with its documented default, k = 4, since it has no validation
score that could select another. infomeasure is AGPL, so it only runs as a separate program, as here.
"""

from __future__ import annotations

import infomeasure
from protocol import BITS_PER_NAT, Splits, Values, main


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """KSG's first estimator with the maximum norm, in bits. It is deterministic: ``seed`` has no effect here."""
    assert choice == 0, "KSG is not tuned"
    standard = splits.standardised()
    nats = infomeasure.mutual_information(standard.train.x, standard.train.y, approach="ksg", k=4)
    return float(nats) * BITS_PER_NAT, None


if __name__ == "__main__":
    main(estimate)
