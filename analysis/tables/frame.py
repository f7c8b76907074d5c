"""Tidy tables of cells: a plan's cells beside their values in MLflow, then summaries over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.cells import cells_of
from mi_ray.experiments.declare.measures import CERTIFIED, LOWER, NOMINAL_OUTSIDE, NOT_CERTIFIED, STATEMENT, UPPER
from mi_ray.experiments.declare.parameters import is_replicate
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.results.statement import Statement, statement

CERTIFICATE = pd.Index([CERTIFIED, NOT_CERTIFIED])
SUMMARY = ("mean", "spread", "spread_is", "n_seeds", "n_seeds_asked")
"""Columns of `over_seeds` besides the place."""


def asked_and_measured(plan: Plan, mirrored: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One row per cell of ``kind`` that ``plan`` asks for: key, all parameters as text, all metrics of that kind.

    A parameter that a cell does not have is empty. A metric is NaN where the cell is not mirrored. ``certified`` and
    ``not_certified`` are always there, null where a cell is missing or is not an estimation.
    """
    planned = pd.DataFrame([{"key": cell.key, **cell.parameters} for cell in cells_of(plan, kind)]).fillna("")
    if planned.empty:
        return pd.DataFrame(columns=["key", *CERTIFICATE])
    of_kind = mirrored[mirrored["kind"] == kind].drop(columns=["kind", *planned.columns[1:]], errors="ignore")
    empty = [name for name in of_kind.columns if name != "key" and of_kind[name].isna().all()]
    measured = of_kind.drop(columns=empty)
    lacking = dict.fromkeys(CERTIFICATE.difference(measured.columns), pd.NA)
    return planned.merge(measured.assign(**lacking), on="key", how="left")


def over_seeds(frame: pd.DataFrame, by: Sequence[str], value: str, standard_error: str | None = None) -> pd.DataFrame:
    """One row per place: ``by``, then `SUMMARY`: ``mean``, ``spread``, ``spread_is``, ``n_seeds``, ``n_seeds_asked``.

    ``spread`` is the standard deviation over seeds where several are asked for, else the cell's own standard error if
    it has one. Places keep the frame's order; where no seed is measured the mean is NaN.
    """

    def summary(seeds: pd.DataFrame) -> dict[str, object]:
        values, errors = _column(seeds, value), _column(seeds, standard_error)
        measured, several = values.dropna(), len(values) > 1
        own = "standard error" if errors.notna().any() or measured.empty else "unknown: one seed"
        spread = measured.std(ddof=1) if several else errors.iloc[0]
        kind = "sd over seeds" if several else own
        return dict(zip(SUMMARY, (measured.mean(), spread, kind, len(measured), len(values)), strict=True))

    return _by_place(frame, by, summary)


def places_of(means: pd.DataFrame) -> list[str]:
    """The columns that tell the rows of a table of `over_seeds` apart."""
    return [name for name in means.columns if name not in SUMMARY]


def certificates_over_seeds(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One row per place: ``by``, ``statement``, ``lower_bits``, ``upper_bits``, ``certified``, ``not_certified`` and
    ``nominal_outside``.

    ``statement`` is the text that figures show. The bracket is the hull over seeds; a place is certified if every seed
    is, else its reasons are given seed by seed, as are the nominal values that lie outside their bracket.
    """

    def certificate(seeds: pd.DataFrame) -> dict[str, object]:
        held = statement_of(seeds)
        return {
            STATEMENT: held.text_with_spread,
            LOWER.name: held.lower_bits,
            UPPER.name: held.upper_bits,
            CERTIFIED: held.certified,
            NOT_CERTIFIED: _by_seed(seeds, [list(estimate.reasons) for estimate in held.estimates]),
            NOMINAL_OUTSIDE: _by_seed(seeds, [[e.outside] if e.outside else [] for e in held.estimates]),
        }

    return _by_place(frame, by, certificate)


def statement_of(seeds: pd.DataFrame) -> Statement:
    """The statement of the estimations of one place, one row each."""
    rows = [{str(name): None if pd.isna(value) else value for name, value in row.items()}
            for row in seeds.to_dict("records")]  # fmt: skip
    return statement(rows)


def _by_seed(seeds: pd.DataFrame, texts: Sequence[Sequence[str]]) -> str:
    """The texts of each seed, joined; with the seed before them where several are asked for."""
    names = [f"seed {seed}: " if len(seeds) > 1 else "" for seed in seeds.get("seed", seeds.index)]
    return "; ".join(f"{name}{'; '.join(text)}" for name, text in zip(names, texts, strict=True) if text)


def _by_place(
    frame: pd.DataFrame, by: Sequence[str], summary: Callable[[pd.DataFrame], dict[str, object]]
) -> pd.DataFrame:
    """The summary of each place's cells, which are replicates.

    ValueError where cells of equal seeds share a place: their mean would be over what is being compared.
    """
    rows = []
    for values, cells in frame.groupby(list(by), sort=False, dropna=False):
        place = dict(zip(by, values, strict=True))
        if cells.duplicated([name for name in cells if is_replicate(str(name))] or None).any():
            raise ValueError(
                f"{place}: cells of equal seeds share a place, so that a mean would be over what is compared"
            )
        rows.append({**place, **summary(cells)})
    return pd.DataFrame(rows)


def _column(frame: pd.DataFrame, name: str | None) -> pd.Series:
    """A column of numbers, NaN throughout where the frame has none of that name."""
    if name is None or name not in frame:
        return pd.Series(float("nan"), index=frame.index)
    return frame[name]
