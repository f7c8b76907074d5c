"""latentmi 0.1.3 (LMI): paired autoencoders encode both sides (in 8 dimensions by default), and KSG is applied to the
codes. It is not a bound.

`lmi.estimate` splits its rows in two, trains on one half, and both stops and scores on the other. Here its two steps
are called with our splits instead: `learn_representation` trains on training pairs and stops on validation pairs, and
`ksg.mi` scores the test pairs. The choice with the highest validation value is taken, since codes share no more
information than their inputs. 0.1.3 is meant to return to its best epoch, but saves a reference to the weights and not
a copy, so it ends with the last epoch.
"""

from __future__ import annotations

import numpy as np
import torch
from latentmi import ksg, lmi
from protocol import Splits, Values, main

EPOCHS, PATIENCE = 40, 10
CHOICES = (
    {"N_dims": 8, "lr": 1e-4},
    {"N_dims": 8, "lr": 1e-3},
    {"N_dims": 16, "lr": 1e-3},
)


def estimate(splits: Splits, seed: int, choice: int) -> Values:
    """KSG (k = 3) between the codes of held-out pairs, in bits, on test and on validation pairs."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    standard = splits.standardised()
    parts = (standard.train, standard.validation, standard.test)
    train, validation, test = np.split(
        np.arange(sum(len(p.x) for p in parts)), np.cumsum([len(p.x) for p in parts])[:2]
    )
    codes_x, codes_y, _ = lmi.learn_representation(
        torch.from_numpy(np.concatenate([part.x for part in parts])),
        torch.from_numpy(np.concatenate([part.y for part in parts])),
        train,
        validation,
        epochs=EPOCHS,
        patience=PATIENCE,
        **CHOICES[choice],
    )
    return _bits(codes_x[test], codes_y[test]), _bits(codes_x[validation], codes_y[validation])


def _bits(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(ksg.mi(x, y).mean())


if __name__ == "__main__":
    main(estimate)
