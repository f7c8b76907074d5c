"""infomeasure 0.6.3's KSG, the classical estimator: nothing is fitted, so nothing is held out and nothing is tuned.

It is given the training pairs, the largest part, and its documented default, k = 4: there is no validation score by
which to choose another. infomeasure is AGPL: it is only ever run as a program of its own, as here.
"""

from __future__ import annotations

import infomeasure
from protocol import BITS_PER_NAT, Splits, Values, main


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """KSG's first estimator with the maximum norm; ``seed`` moves nothing but the pairs it is given."""
    assert choice == 0, "KSG is not tuned"
    standard = splits.standardised()
    nats = infomeasure.mutual_information(standard.train.x, standard.train.y, approach="ksg", k=4)
    return float(nats) * BITS_PER_NAT, None


if __name__ == "__main__":
    main(estimate)
