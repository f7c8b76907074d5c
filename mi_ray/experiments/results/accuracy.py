"""One convention for every comparison of linear accuracy with an estimate: both weigh classes alike."""

from __future__ import annotations

from typing import assert_never

from mi_ray.experiments.declare import Pairing, SameClass, SimCLR
from mi_ray.experiments.declare.measures import ACCURACY, BALANCED_ACCURACY


def accuracy_beside(pairing: Pairing) -> str:
    """The result of a linear evaluation whose class weights are those of an estimate under ``pairing``.

    Balanced accuracy beside a uniform prior; beside an empirical one, and beside pairs of views, whose images are drawn
    uniformly, the plain accuracy, in which classes count by their share of the images.
    """
    match pairing:
        case SameClass(prior="uniform"):
            return BALANCED_ACCURACY.name
        case SameClass() | SimCLR():
            return ACCURACY.name
        case _:
            assert_never(pairing)
