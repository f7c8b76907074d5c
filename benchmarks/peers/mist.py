"""torch-mist 0.2.17, called so that its value is held out.

Its `estimate_mi` scores the training rows unless ``test_data`` is given, and this version silently ignores unknown
keywords, among them ``test_percentage``. It stops training on ``valid_data``, returns to the best epoch, and scores
``test_data``. Both values here are computed in one batch of all 2048 pairs, which favours a bound that is at most
log K.
"""

from __future__ import annotations

from typing import Any

import torch
from protocol import BITS_PER_NAT, Pairs, Splits, Values
from torch_mist.utils import estimate_mi
from torch_mist.utils.evaluation import evaluate_mi

BATCH, EPOCHS, PATIENCE = 128, 60, 15


def held_out_bits(splits: Splits, seed: int, *, learning_rate: float = 5e-4, **estimator: Any) -> Values:
    """The values in bits, on test and on validation pairs, of an estimator that is fitted on the training pairs."""
    torch.manual_seed(seed)
    standard = splits.standardised()
    test_nats, fitted, _ = estimate_mi(
        _tensors(standard.train),
        valid_data=_tensors(standard.validation),
        test_data=_tensors(standard.test),
        optimizer_params={"lr": learning_rate},
        batch_size=BATCH,
        evaluation_batch_size=len(standard.test.x),
        max_epochs=EPOCHS,
        patience=PATIENCE,
        fast_train=True,
        verbose=False,
        return_estimator=True,
        **estimator,
    )
    validation_nats = evaluate_mi(fitted, _tensors(standard.validation), batch_size=len(standard.validation.x))
    return float(test_nats) * BITS_PER_NAT, float(validation_nats) * BITS_PER_NAT


def _tensors(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(pairs.x), torch.from_numpy(pairs.y)
