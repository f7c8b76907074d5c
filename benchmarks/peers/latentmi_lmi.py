"""latentmi 0.1.3 (LMI): paired autoencoders to 8 dimensions, then KSG there. No bound.

`lmi.estimate` splits the rows it is given in two, trains on one half, stops on the other and scores that same half.
Here its two steps are called with our splits instead: `learn_representation` trains on training and stops on
validation pairs, and `ksg.mi` scores the test pairs. The highest validation value is chosen, since codes share no more
than their inputs do. 0.1.3 means to go back to its best epoch but keeps a reference, so it stays with the last one.
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
    """KSG (k = 3) between the codes of held-out pairs."""
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
