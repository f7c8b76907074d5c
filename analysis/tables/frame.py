"""Tidy tables of cells: what a plan asks for beside what MLflow holds, then summaries over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from analysis.cells import cells_of
from mi_ray.experiments.declare.parameters import is_replicate
from mi_ray.experiments.plan.plan import Plan
from mi_ray.experiments.results.statement import One, Statement, one

CERTIFICATE = pd.Index(["certified", "not_certified"])


def asked_and_measured(plan: Plan, mirrored: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One row per cell of ``kind`` that ``plan`` asks for: key, all parameters as text, all metrics of that kind.

    A parameter that a cell does not have is empty. A metric is NaN where the cell is not mirrored. ``certified`` and
    ``not_certified`` are always there, null on what is missing or not asked for a certificate.
    """
    asked = pd.DataFrame([{"key": cell.key, **cell.parameters} for cell in cells_of(plan, kind)]).fillna("")
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


def certificates_over_seeds(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One row per place: ``by``, ``statement``, ``lower_bits``, ``upper_bits``, ``certified``, ``not_certified`` and
    ``nominal_outside``.

    ``statement`` is the text that figures show. The bracket is the hull over seeds; a place
    is certified if every seed is, and else says why not, seed by seed; likewise which nominal values lie outside.
    """
    return _by_place(frame, by, _certificate)


def statement_of(seeds: pd.DataFrame) -> Statement:
    """What the estimations of one place say, one row each."""
    return Statement(tuple(map(_one, seeds.to_dict("records"))), len(seeds))


def _one(row: dict[str, object]) -> One:
    return one({str(name): None if pd.isna(value) else value for name, value in row.items()})


def _certificate(seeds: pd.DataFrame) -> dict[str, object]:
    said = statement_of(seeds)
    return {
        "statement": said.text_with_spread,
        "lower_bits": said.lower_bits,
        "upper_bits": said.upper_bits,
        "certified": said.certified,
        "not_certified": _by_seed(seeds, [list(of.reasons) for of in said.ones]),
        "nominal_outside": _by_seed(seeds, [[of.outside] if of.outside else [] for of in said.ones]),
    }


def _by_seed(seeds: pd.DataFrame, texts: Sequence[Sequence[str]]) -> str:
    """What is said of each seed, where several are asked for with the seed before it."""
    names = [f"seed {seed}: " if len(seeds) > 1 else "" for seed in seeds.get("seed", seeds.index)]
    return "; ".join(f"{name}{'; '.join(text)}" for name, text in zip(names, texts, strict=True) if text)


def _by_place(
    frame: pd.DataFrame, by: Sequence[str], summary: Callable[[pd.DataFrame], dict[str, object]]
) -> pd.DataFrame:
    places = frame.groupby(list(by), sort=False, dropna=False)
    for place, seeds in places:
        _refuse_what_is_no_replicate(dict(zip(by, place, strict=True)), seeds)
    return pd.DataFrame([{**dict(zip(by, place, strict=True)), **summary(seeds)} for place, seeds in places])


def _refuse_what_is_no_replicate(place: dict[str, object], cells: pd.DataFrame) -> None:
    """ValueError where a mean would be over cells of equal seeds: they differ in what is being compared."""
    if cells.duplicated([name for name in cells if is_replicate(str(name))] or None).any():
        raise ValueError(f"{place}: cells of equal seeds share a place, so that a mean would be over what is compared")


def _column(frame: pd.DataFrame, name: str | None) -> pd.Series:
    """A column of numbers, NaN throughout where the frame has none of that name."""
    if name is None or name not in frame:
        return pd.Series(float("nan"), index=frame.index)
    return frame[name]
