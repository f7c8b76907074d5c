"""Table III: linear accuracy by learning objective, as a table first, then in print layout.

Reads MLflow alone, and the objectives from the sweep. ``objectives-table.csv`` has a row per data set, objective and
quantity: ``accuracy`` a share of 1, and beyond the paper ``i_class``, the post-training estimate of same-class pairs in
bits with its certificate. ``objectives-differences.csv`` has the comparisons that the claim is about, paired by seed.
``objectives-table.md`` prints both; the verdict as verdict.json.

    python analysis/objectives_table.py --preset laptop
    python analysis/objectives_table.py --axis seed=0 --partial    # a dash where a cell is not there yet
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis import command
from analysis.cells import mirrored_cells
from analysis.objectives.verdict import COMPARISONS, NAMES, verdict
from analysis.tables.difference import Difference, paired
from analysis.tables.frame import certificates_over_seeds, over_seeds
from analysis.tables.places import placed
from analysis.tables.text import Printed, number, span, spread_note, with_spread, write_markdown
from analysis.verdict import publish
from mi_ray.experiments.declare import entropy_bits, training_of
from mi_ray.experiments.plan.plan import Cell, Plan
from mi_ray.experiments.plan.sheets import place_title
from mi_ray.experiments.results.statement import CERTIFIED, KNOWN
from sweeps.objectives import OBJECTIVES, STUDY, objective_of
from sweeps.recipes import BENCHMARKS, benchmark_of

PRINTED = {
    "cifar-10": (93.0, 94.1, 93.1, 96.0),
    "imagenet-100": (77.8, 84.5, 87.4, 87.6),
    "imagenet-1k": (69.1, 76.4, 75.2, 78.7),
}
"""Table III, in the order of `OBJECTIVES`."""

ACCURACY, ESTIMATE = "accuracy", "i_class"
QUANTITIES = {
    ACCURACY: ("evaluation", "linear_balanced_accuracy", "linear_balanced_standard_error"),
    ESTIMATE: ("estimation", "nominal_bits", "nominal_standard_error_bits"),
}


def table(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per quantity, data set and objective: mean over seeds, spread, seeds found and asked for, H(C)."""
    parts = [_quantity(plan, mirrored, name) for name in QUANTITIES]
    first = dict.fromkeys(name for part in parts for name in _places(part))
    tidy = pd.concat(parts, ignore_index=True)
    benchmarks = [BENCHMARKS[name] for name in tidy["data"]]
    tidy = tidy.assign(class_entropy_bits=[entropy_bits(one.data, one.task) for one in benchmarks])
    return tidy[[*first, *tidy.columns.difference(list(first), sort=False)]]


def _places(rows: pd.DataFrame) -> list[str]:
    """What tells the rows of a table of `over_seeds` apart; some of it of one quantity alone."""
    return [name for name in rows.columns[: rows.columns.get_loc("mean")] if rows[name].notna().any()]


def _quantity(plan: Plan, mirrored: pd.DataFrame, name: str) -> pd.DataFrame:
    kind, value, standard_error = QUANTITIES[name]
    cells, places = placed(plan, mirrored, kind, _names)
    tidy = over_seeds(cells, places, value, standard_error)
    if name == ESTIMATE:
        tidy = tidy.join(certificates_over_seeds(cells, places).drop(columns=places))
    tidy.insert(0, "quantity", name)
    return tidy


def _names(cell: Cell) -> dict[str, str]:
    training = training_of(cell.declaration)
    assert training is not None
    return {"data": benchmark_of(training.data), "objective": objective_of(training), "arch": training.arch}


def differences(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per data set and comparison: by how much the accuracy of ``better`` is above that of ``worse``."""
    cells, places = placed(plan, mirrored, "evaluation", _names)
    settings = [name for name in places if name != "objective"]
    return pd.DataFrame(
        [
            {**dict(zip(settings, place, strict=True)), "better": better, "worse": worse, **asdict(difference)}
            for place, rows in cells.groupby(settings, sort=False)
            for better, worse in COMPARISONS
            for difference in [_difference(rows, better, worse)]
        ]
    )


def _difference(rows: pd.DataFrame, better: str, worse: str) -> Difference:
    of = {objective: rows[rows["objective"] == objective] for objective in (better, worse)}
    return paired(of[better], of[worse], *QUANTITIES[ACCURACY][1:])


# Print

IN_BITS = (
    f"In bits: the bracket where it is certified ({CERTIFIED}: {KNOWN}), else the nominal estimate, whose ceiling is"
    " H(C); the .csv says why others are not certified."
)


def printed(tidy: pd.DataFrame, told: pd.DataFrame) -> list[Printed]:
    """Table III as the paper lays it out, the estimates likewise, and the comparisons."""
    head = ["data set, encoder", *(NAMES[name] for name in OBJECTIVES)]
    accuracy, estimate = (tidy[tidy["quantity"] == name] for name in QUANTITIES)
    note, compared = spread_note(tidy), ["", "difference", "95 % interval"]
    return [
        Printed("Balanced accuracy by learning objective, % (Table III)", head, list(_accuracies(accuracy)), [note]),
        Printed("Post-training estimate, same-class pairs", head, list(_lines(estimate, 1, 2)), [note, IN_BITS]),
        Printed("Differences in accuracy, points", compared, list(_comparisons(told)), [_interval(told)]),
    ]


def _interval(told: pd.DataFrame) -> str:
    return f"95 %: interval of the difference, {', '.join(sorted(set(told['interval_is'])))}."


def _accuracies(accuracy: pd.DataFrame) -> Iterator[list[str]]:
    yield from _lines(accuracy, 100, 1)
    for name in accuracy["data"].unique():
        if name in PRINTED:
            yield [f"{BENCHMARKS[name].title}, as printed", *(f"{value:.1f}" for value in PRINTED[name])]


def _lines(rows: pd.DataFrame, scale: float, digits: int) -> Iterator[list[str]]:
    settings = [name for name in _places(rows) if name not in ("quantity", "objective")]
    for place, of_place in rows.groupby(settings, sort=False):
        by_name = of_place.set_index("objective").reindex(OBJECTIVES)
        entropy = of_place["class_entropy_bits"].iloc[0]
        against = "" if scale == 100 else f", H(C) = {entropy:.4g} bits"
        cells = [_told(row, scale, digits) for _, row in by_name.iterrows()]
        yield [_place(settings, place) + against, *cells]


def _told(row: pd.Series, scale: float, digits: int) -> str:
    """An estimate as its statement says, anything else as a mean and its spread."""
    if scale == 1 and isinstance(row.get("statement"), str) and row["statement"]:
        return str(row["statement"])
    return with_spread(scale * row["mean"], scale * row["spread"], digits)


def _comparisons(told: pd.DataFrame) -> Iterator[list[str]]:
    settings = list(told.columns[: told.columns.get_loc("better")])
    for _, row in told.iterrows():
        where = _place(settings, tuple(row[settings]))
        mean, low, high = (100 * row[name] for name in ("mean", "low", "high"))
        compared = f"{where}: {NAMES[row['better']]} less {NAMES[row['worse']]}"
        yield [compared, number(mean, 1, sign=True), span(low, high, 1, sign=True)]


def _place(settings: list[str], place: tuple[str, ...]) -> str:
    """The data set, the encoder, and what else tells a line apart."""
    data, arch, *others = place
    return ", ".join(filter(None, [BENCHMARKS[data].title, arch, place_title(settings[2:], others)]))


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write the tables and the verdict to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which prints a dash in its place.
    """
    kinds = [kind for kind, *_ in QUANTITIES.values()]
    mirrored = mirrored_cells(STUDY, plan, tracking_uri, kinds, partial=partial)
    out.mkdir(parents=True, exist_ok=True)
    tidy, told = table(plan, mirrored), differences(plan, mirrored)
    paths = [out / "objectives-table.csv", out / "objectives-differences.csv"]
    for path, frame in zip(paths, (tidy, told), strict=True):
        frame.to_csv(path, index=False)
    markdown = write_markdown(out / "objectives-table.md", printed(tidy, told))
    return publish(plan, out, [*paths, markdown], verdict(tidy, told), mirrored=mirrored)


if __name__ == "__main__":
    sys.exit(command.main(STUDY, draw))
