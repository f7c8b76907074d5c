"""RankMe: how many dimensions the embeddings of a frozen encoder span (Garrido et al. 2023)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from mi_ray.compute.numerics.blocks import rows_within, slices

EPSILON = 1e-7
"""Added to each share of the singular values, as Garrido et al. do for float32."""


def rank_me(h: Float[np.ndarray, "n width"]) -> float:
    """exp(-sum_k p_k log p_k) with p_k = sigma_k / sum sigma + `EPSILON`, over the min(n, width) singular values of h.

    1 to min(n, width), up to EPSILON. h is neither centred nor normalised: a shift of all embeddings counts as a
    dimension that outweighs others, which `mi_ray.theory.learned.Spectrum.effective_rank` leaves out; that one has no
    epsilon and drops columns that vary by rounding alone. Singular values come from h'h in float64: those below about
    1e-8 of the largest are noise of that size, which is below EPSILON. 0 if h is zero throughout.
    """
    parts = (h[part].astype(np.float64) for part in slices(len(h), rows_within(8 * h.shape[1])))
    values = np.linalg.eigvalsh(sum(rows.T @ rows for rows in parts))[::-1][: min(h.shape)]
    sigma = np.sqrt(values.clip(0))
    if not sigma.any():
        return 0.0
    p = sigma / sigma.sum() + EPSILON
    return float(np.exp(-(p * np.log(p)).sum()))
