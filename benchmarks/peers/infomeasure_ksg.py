"""infomeasure 0.6.3's KSG, the classical estimator: nothing is fitted, so nothing is held out and nothing is tuned.

It is given the training and test pairs together and its documented default, k = 4: there is no validation score by
which to choose another. infomeasure is AGPL: it is only ever run as a program of its own, as here.
"""

from __future__ import annotations

import infomeasure
import numpy as np
from protocol import BITS_PER_NAT, Splits, Values, main


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """KSG's first estimator with the maximum norm; ``seed`` moves nothing but the pairs it is given."""
    assert choice == 0, "KSG is not tuned"
    standard = splits.standardised()
    x = np.concatenate([standard.train.x, standard.test.x])
    y = np.concatenate([standard.train.y, standard.test.y])
    return float(infomeasure.mutual_information(x, y, approach="ksg", k=4)) * BITS_PER_NAT, None


if __name__ == "__main__":
    main(estimate)
