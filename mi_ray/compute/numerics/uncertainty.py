"""Standard errors of means whose observations depend on each other if they share a source image."""

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
    """Standard error of the mean of ``values`` [n] over pairs of two sources; pairs that share a source may depend.

    This is the first-order delete-one-source jackknife: residuals are summed over the pairs of each source. A pair of
    two distinct sources counts its own square twice, so one of them is subtracted.
    """
    residuals = values - values.mean()
    distinct = x_sources != y_sources
    both_sources = np.concatenate([x_sources, y_sources[distinct]])
    totals = _totals(np.concatenate([residuals, residuals[distinct]]), both_sources)
    variance = max((totals**2).sum() - (residuals[distinct] ** 2).sum(), (residuals**2).sum())
    return float(np.sqrt(variance) / len(values))


def _totals(residuals: Values, sources: Sources) -> Float64[np.ndarray, " sources"]:
    _, index = np.unique(sources, return_inverse=True)
    return np.bincount(index, weights=residuals)
