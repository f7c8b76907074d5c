"""Which linear accuracy is compared with an estimate."""

from __future__ import annotations

from mi_ray.experiments.declare import Pairing, SameClass
from mi_ray.experiments.declare.measures import ACCURACY, BALANCED_ACCURACY


def accuracy_beside(pairing: Pairing) -> str:
    """Name of the linear accuracy whose class weights are those of an estimate under ``pairing``.

    Balanced accuracy for a uniform prior; for an empirical prior, and for pairs of views, whose images are drawn
    uniformly, the plain accuracy, in which classes count by their share of the images.
    """
    is_uniform = isinstance(pairing, SameClass) and pairing.prior == "uniform"
    return BALANCED_ACCURACY.name if is_uniform else ACCURACY.name
