"""Tidy tables of cells: what a plan asks for beside what MLflow holds, then summaries over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.command import cells_of
from mi_ray.experiments.plan import Plan

CERTIFICATE = pd.Index(["certified", "not_certified"])
SEEDS = frozenset({"seed", "critic_seed"})
"""Parameters that a value is averaged over."""


def asked_and_measured(plan: Plan, mirrored: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One row per cell of ``kind`` that ``plan`` asks for: key, all parameters as text, all metrics of that kind.

    A metric is NaN where the cell is not mirrored. ``certified`` and ``not_certified`` are always there, null on what
    is missing or not asked for a certificate.
    """
    asked = pd.DataFrame([{"key": cell.key, **cell.parameters} for cell in cells_of(plan, kind)])
    if asked.empty:
        return pd.DataFrame(columns=["key", *CERTIFICATE])
    of_kind = mirrored[mirrored["kind"] == kind].drop(columns=["kind", *asked.columns[1:]], errors="ignore")
    empty = [name for name in of_kind.columns if name != "key" and of_kind[name].isna().all()]
    measured = of_kind.drop(columns=empty)
    lacking = dict.fromkeys(CERTIFICATE.difference(measured.columns), pd.NA)
    return asked.merge(measured.assign(**lacking), on="key", how="left")


def over_seeds(frame: pd.DataFrame, by: Sequence[str], value: str, standard_error: str | None = None) -> pd.DataFrame:
    """One row per place: ``by``, ``mean``, ``spread``, ``spread_is``, ``n_seeds``, ``n_seeds_asked``.

    ``spread`` is the standard deviation over seeds where several are asked for, else the cell's own standard error if
    it has one. Places keep the frame's order; where no seed is measured the mean is NaN.
    """
    return _by_place(frame, by, lambda seeds: _summary(_column(seeds, value), _column(seeds, standard_error)))


def _summary(values: pd.Series, errors: pd.Series) -> dict[str, object]:
    found, several = values.dropna(), len(values) > 1
    own = "standard error" if errors.notna().any() or found.empty else "unknown: one seed"
    return {
        "mean": found.mean(),
        "spread": found.std(ddof=1) if several else errors.iloc[0],
        "spread_is": "sd over seeds" if several else own,
        "n_seeds": len(found),
        "n_seeds_asked": len(values),
    }


def certificates_over_seeds(frame: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """One row per place: ``by``, ``lower_bits``, ``upper_bits``, ``certified``, ``not_certified``.

    The bracket holds those of all seeds; a place is certified if every seed is, and else says why not, seed by seed.
    """
    return _by_place(frame, by, lambda seeds: _certificate(seeds, value))


def _certificate(seeds: pd.DataFrame, value: str) -> dict[str, object]:
    reasons = [(row["seed"], _reason(row, value)) for _, row in seeds.iterrows()]
    against = [f"seed {seed}: {reason}" if len(seeds) > 1 else reason for seed, reason in reasons if reason]
    return {
        "lower_bits": _column(seeds, "lower_bits").min(),
        "upper_bits": _column(seeds, "upper_bits").max(),
        "certified": not against,
        "not_certified": "; ".join(against),
    }


def _reason(seed: pd.Series, value: str) -> str:
    """Why a seed is not certified, empty if it is."""
    if pd.isna(seed.get(value)):
        return "not estimated yet"
    if pd.isna(seed["certified"]):
        return "its record holds no certificate"
    return "" if seed["certified"] else str(seed["not_certified"]) or "its record does not say why"


def _by_place(
    frame: pd.DataFrame, by: Sequence[str], summary: Callable[[pd.DataFrame], dict[str, object]]
) -> pd.DataFrame:
    places = frame.groupby(list(by), sort=False)
    return pd.DataFrame([{**dict(zip(by, place, strict=True)), **summary(seeds)} for place, seeds in places])


def _column(frame: pd.DataFrame, name: str | None) -> pd.Series:
    """A column of numbers, NaN throughout where the frame has none of that name."""
    if name is None or name not in frame:
        return pd.Series(float("nan"), index=frame.index)
    return frame[name]
