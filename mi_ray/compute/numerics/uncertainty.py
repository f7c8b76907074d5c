"""Standard errors that know which source images were reused."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

Values = Float64[np.ndarray, " n"]
Sources = Int64[np.ndarray, " n"]


def clustered_standard_error(values: Values, sources: Sources) -> float:
    """Standard error of the mean of ``values`` [n] when observations of one source [n] may depend on each other."""
    totals = _totals(values - values.mean(), sources)
    return float(np.sqrt((totals**2).sum()) / len(values))


def paired_standard_error(values: Values, x_sources: Sources, y_sources: Sources) -> float:
    """Standard error of the mean over pairs [n], each made from two sources; pairs that share a source may depend.

    The first-order delete-one-source jackknife: residuals are summed over every source that a pair touches, and what
    is counted twice (a pair with itself) is taken off once.
    """
    residuals = values - values.mean()
    apart = x_sources != y_sources
    touched = np.concatenate([x_sources, y_sources[apart]])
    totals = _totals(np.concatenate([residuals, residuals[apart]]), touched)
    variance = max((totals**2).sum() - (residuals[apart] ** 2).sum(), (residuals**2).sum())
    return float(np.sqrt(variance) / len(values))


def _totals(residuals: Values, sources: Sources) -> Float64[np.ndarray, " sources"]:
    _, index = np.unique(sources, return_inverse=True)
    return np.bincount(index, weights=residuals)
