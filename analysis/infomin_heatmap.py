"""Figs. 6 and 7: what encoders trained with each pairing know of each task, as tables first and then as heatmaps.

Reads MLflow alone, and the axes from the sweep. Evaluated task down, training pairing across, one panel per encoder;
``infomin-accuracy`` is the linear accuracy in percent, ``infomin-estimate`` the post-training estimate in bits, shaded
by its share of the class entropy H(C). Each as .csv, .png and .pdf.

    python analysis/infomin_heatmap.py --preset laptop
    python analysis/infomin_heatmap.py --axis seed=0,1 --partial    # hatch what is not there yet
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mi_ray.experiments.cells import Store
from mi_ray.experiments.checks import Refused
from mi_ray.experiments.data import prepared
from mi_ray.experiments.declare import CDP
from mi_ray.experiments.plan import Cell, Plan, build
from mi_ray.experiments.study import parse_axes
from mi_ray.theory.tasks import Task
from mi_ray.tracking.store import Unreachable, read_cells
from sweeps.infomin_grid import STUDY

ROW, COLUMN = STUDY.matrix.row, STUDY.matrix.column
SEEDS = frozenset({"seed", "critic_seed"})
"""Parameters that a value is averaged over."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One figure: the kind of cell it shows, where its value and standard error stand, and how they are told."""

    name: str
    kind: str
    standard_error: str
    title: str
    scale: float
    digits: int
    shade_label: str
    shades: tuple[str, ...]

    @property
    def value(self) -> str:
        """The value of the result that the study shows for this kind."""
        return STUDY.matrix.panels[self.kind]


ACCURACY = Matrix(
    name="infomin-accuracy",
    kind="evaluation",
    standard_error="linear_standard_error",
    title="Linear accuracy on a frozen encoder, %",
    scale=100.0,
    digits=1,
    shade_label="accuracy, %",
    shades=("#f4f6f8", "#cfe0ea", "#8fbcd4", "#4a90b8", "#1f6391", "#0b3a63"),
)
ESTIMATE = Matrix(
    name="infomin-estimate",
    kind="estimation",
    standard_error="nominal_standard_error_bits",
    title="Post-training estimate of I(h$_X$; h$_Y$), bits",
    scale=1.0,
    digits=2,
    shade_label="estimate / H(C)",
    shades=("#f8f5f1", "#f2ddc0", "#e7b27b", "#d07f45", "#a34d2b", "#66251b"),
)
MATRICES = (ACCURACY, ESTIMATE)


class MissingCells(Refused):
    """Cells of the plan that MLflow does not hold, one line each."""


# Tables


def table(matrix: Matrix, plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    """One row per task, pairing and panel: mean over seeds, spread and what it is, seeds found and asked for, H(C).

    ``spread`` is the standard deviation over seeds where several are asked for, else the cell's own standard error.
    """
    columns = [matrix.value, matrix.standard_error]
    asked = pd.DataFrame([{"key": cell.key, **cell.parameters} for cell in _cells(plan, matrix.kind)])
    found = asked.merge(
        mirrored.reindex(columns=["key", *columns]).rename(columns=_measured(columns)), on="key", how="left"
    )
    places = found.groupby([ROW, COLUMN, *panel_names(asked)], sort=False)
    rows = [{**dict(zip(places.keys, place, strict=True)), **_summary(seeds)} for place, seeds in places]
    tidy = pd.DataFrame(rows)
    tidy["class_entropy_bits"] = [Task(task).entropy_bits for task in tidy[ROW]]
    return tidy


def _measured(columns: Sequence[str]) -> dict[str, str]:
    return dict(zip(columns, ("measured", "standard_error"), strict=True))


def _summary(seeds: pd.DataFrame) -> dict[str, object]:
    values, several = seeds["measured"].dropna(), len(seeds) > 1
    return {
        "value": values.mean(),
        "spread": values.std(ddof=1) if several else seeds["standard_error"].iloc[0],
        "spread_is": "sd over seeds" if several else "standard error",
        "n_seeds": len(values),
        "n_seeds_asked": len(seeds),
    }


def panel_names(asked: pd.DataFrame) -> list[str]:
    """What tells panels apart: the encoder, and whatever else varies but for the axes of the matrix and the seeds."""
    rest = asked.columns.difference(["key", "arch", ROW, COLUMN, *SEEDS], sort=False)
    return ["arch", *(name for name in rest if asked[name].nunique() > 1)]


def missing(plan: Plan, mirrored: pd.DataFrame) -> list[str]:
    """Names of the questions of ``plan`` that are not among the mirrored cells."""
    held = set(mirrored["key"])
    return [plan.name(cell) for matrix in MATRICES for cell in _cells(plan, matrix.kind) if cell.key not in held]


def _cells(plan: Plan, kind: str) -> list[Cell]:
    return [cell for cell in plan.cells.values() if cell.kind == kind]


# Drawing

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.linewidth": 0,
    "pdf.fonttype": 42,
    "hatch.linewidth": 0.6,
}
INK, PAPER, FAINT, HATCH = "#1c1c1c", "#ffffff", "#6b6b6b", "#b5b5b5"
METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
"""Nothing that changes from one drawing to the next."""

MINUS = "\N{MINUS SIGN}"
ENTRY, GAP, LEFT, RIGHT, TOP, BOTTOM = 0.86, 0.3, 1.35, 0.95, 0.78, 0.9
"""Inches: the side of a matrix's entry, between panels, and the margins."""


def draw(plan: Plan, tracking_uri: str, out: Path, *, partial: bool = False) -> list[Path]:
    """Read the cells of ``plan`` from MLflow and write each figure's .csv, .png and .pdf to ``out``.

    Raises `MissingCells` when one is not there, unless ``partial``, which hatches it.
    """
    mirrored = read_cells(tracking_uri, STUDY.name, plan.cells.keys())
    absent = missing(plan, mirrored)
    if absent and not partial:
        raise MissingCells("\n".join(f"missing: {name} is not in {tracking_uri}" for name in absent))
    out.mkdir(parents=True, exist_ok=True)
    shown = [matrix for matrix in MATRICES if _cells(plan, matrix.kind)]
    return [path for matrix in shown for path in _write(matrix, table(matrix, plan, mirrored), out)]


def _write(matrix: Matrix, tidy: pd.DataFrame, out: Path) -> list[Path]:
    stem = out / matrix.name
    tidy.to_csv(stem.with_suffix(".csv"), index=False)
    with mpl.rc_context(STYLE):
        figure = heatmap(matrix, tidy)
        for suffix, metadata in METADATA.items():
            figure.savefig(stem.with_suffix(f".{suffix}"), dpi=200, metadata=metadata)
    return [stem.with_suffix(f".{suffix}") for suffix in ("csv", *METADATA)]


def heatmap(matrix: Matrix, tidy: pd.DataFrame) -> Figure:
    """Panels side by side, a colour bar, and a line that says what the spread is."""
    rows, columns = list(tidy[ROW].unique()), list(tidy[COLUMN].unique())
    names = list(tidy.columns[2 : tidy.columns.get_loc("value")])
    panels = list(tidy.groupby(names, sort=False))
    shades = LinearSegmentedColormap.from_list(matrix.name, matrix.shades)
    figure, places = _sheet(len(rows), len(columns), len(panels))
    for axes, (values, panel) in zip(places, panels, strict=True):
        _fill(axes, matrix, panel, rows, columns, shades)
        axes.set_title(_panel_title(names, values), fontsize=9, color=FAINT, pad=6)
    places[0].set_yticks(range(len(rows)), [_row_label(matrix, task) for task in rows])
    _write_around(figure, matrix.title, caption(tidy))
    _colour_bar(figure, matrix, shades)
    return figure


def _sheet(rows: int, columns: int, panels: int) -> tuple[Figure, list[Axes]]:
    """A figure just large enough for its panels, and their axes."""
    size = LEFT + panels * ENTRY * columns + (panels - 1) * GAP + RIGHT, BOTTOM + ENTRY * rows + TOP
    figure = Figure(figsize=size, facecolor=PAPER)
    lefts = [LEFT + panel * (ENTRY * columns + GAP) for panel in range(panels)]
    return figure, [_axes(figure, left, BOTTOM, ENTRY * columns, ENTRY * rows) for left in lefts]


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _write_around(figure: Figure, title: str, below: str) -> None:
    across, up = figure.get_size_inches()
    middle = LEFT + (across - LEFT - RIGHT) / 2, BOTTOM + (up - BOTTOM - TOP) / 2
    figure.text(0.12 / across, 1 - 0.14 / up, title, fontsize=11, weight="bold", va="top", color=INK)
    figure.text(middle[0] / across, 0.4 / up, "training pairing", ha="center", color=INK)
    figure.text(0.12 / across, middle[1] / up, "evaluated task", va="center", rotation=90, color=INK)
    figure.text(0.12 / across, 0.12 / up, below, fontsize=7.5, color=FAINT)


def caption(tidy: pd.DataFrame) -> str:
    """What the spread is, how many seeds there are, and what hatching means."""
    asked = int(tidy["n_seeds_asked"].max())
    several = f"mean ± standard deviation over {asked} seeds"
    spread = several if asked > 1 else "± standard error over source images of the test split, one seed"
    return spread + ("; hatched: cells missing" if (tidy["n_seeds"] < tidy["n_seeds_asked"]).any() else "")


def _panel_title(names: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join([values[0], *(f"{name}={value}" for name, value in zip(names[1:], values[1:], strict=True))])


def _row_label(matrix: Matrix, name: str) -> str:
    task = Task(name)
    share = f"chance {100 / task.n_classes:.3g} %" if matrix is ACCURACY else f"H(C) = {task.entropy_bits:g} bits"
    return f"{name}\n{share}"


def _fill(
    axes: Axes,
    matrix: Matrix,
    panel: pd.DataFrame,
    rows: list[str],
    columns: list[str],
    shades: LinearSegmentedColormap,
) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks([])
    axes.tick_params(length=0, colors=INK, pad=5)
    for entry in panel.itertuples():
        _entry(axes, matrix, entry, (columns.index(getattr(entry, COLUMN)), rows.index(getattr(entry, ROW))), shades)


def _entry(axes: Axes, matrix: Matrix, entry: object, at: tuple[int, int], shades: LinearSegmentedColormap) -> None:
    """One entry: its shade, its value with spread, a frame where the pairing is the task, hatching where seeds lack."""
    shade = shades(share(matrix, entry.value, entry.class_entropy_bits)) if entry.n_seeds else PAPER
    hatch = "////" if entry.n_seeds < entry.n_seeds_asked else None
    corner = (at[0] - 0.47, at[1] - 0.47)
    axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=shade, edgecolor=HATCH, hatch=hatch, lw=0))
    if getattr(entry, ROW) == getattr(entry, COLUMN):
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=INK, lw=1.1))
    if entry.n_seeds:
        _write_value(axes, matrix, entry, at, PAPER if _dark(shade) else INK)


def _write_value(axes: Axes, matrix: Matrix, entry: object, at: tuple[int, int], ink: str) -> None:
    axes.text(at[0], at[1] - 0.1, told(matrix, entry.value), ha="center", va="center", color=ink, fontsize=11)
    if np.isfinite(entry.spread):
        spread = f"± {told(matrix, entry.spread, least=True)}"
        axes.text(at[0], at[1] + 0.22, spread, ha="center", va="center", color=ink, fontsize=7.5, alpha=0.85)


def told(matrix: Matrix, value: float, *, least: bool = False) -> str:
    """A value in the unit and with the digits of its figure; ``least``: what would read as zero is told as ``<``."""
    smallest = 10.0**-matrix.digits
    if least and 0 < matrix.scale * value < smallest / 2:
        return f"<{smallest:.{matrix.digits}f}"
    return f"{matrix.scale * value:z.{matrix.digits}f}".replace("-", MINUS)


def share(matrix: Matrix, value: float, class_entropy_bits: float) -> float:
    """What the shade says, in 0..1: the accuracy itself; the estimate as a share of H(C), as in Fig. 7."""
    return float(np.clip(value if matrix is ACCURACY else value / class_entropy_bits, 0, 1))


def _dark(shade: tuple[float, float, float, float]) -> bool:
    return 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] < 0.55


def _colour_bar(figure: Figure, matrix: Matrix, shades: LinearSegmentedColormap) -> None:
    across, up = figure.get_size_inches()
    axes = _axes(figure, across - RIGHT + 0.2, BOTTOM, 0.13, up - BOTTOM - TOP)
    axes.imshow(np.linspace(0, 1, 256)[:, None], cmap=shades, aspect="auto", origin="lower", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], [f"{matrix.scale * shade:g}" for shade in (0, 0.5, 1)])
    axes.yaxis.tick_right()
    axes.tick_params(length=0, colors=FAINT, labelsize=8, pad=3)
    axes.set_ylabel(matrix.shade_label, color=FAINT, fontsize=8, labelpad=4)
    axes.yaxis.set_label_position("right")


# Command line


def planned(preset: str, axes: Sequence[str], store: Store) -> Plan:
    """The sweep's plan for a preset and ``NAME=VALUE`` overrides; refuses images that the store does not hold."""

    @cache
    def digest(data: CDP) -> str:
        images = prepared(data, store)
        if images is None:
            raise Refused(
                f"store: {store.root} holds no images for preset {preset!r} and these axes; run the sweep first"
            )
        return images.digest

    return build(STUDY.questions(STUDY.grid(preset, parse_axes(STUDY, axes))), digest)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw both figures and print where they are; 1, with one line per reason, when that cannot be done."""
    flags = _flags().parse_args(argv)
    folder = flags.store / "figures" / STUDY.name / flags.preset
    uri = flags.tracking_uri or f"sqlite:///{flags.store.resolve()}/mlflow.db"
    try:
        plan = planned(flags.preset, flags.axis, Store(flags.store))
        written = draw(plan, uri, flags.out or folder, partial=flags.partial)
    except (Refused, Unreachable) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(*written, sep="\n")
    return 0


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--preset", default=STUDY.default_preset, help="of the sweep: %(default)s if not given")
    flags.add_argument("--axis", action="append", default=[], metavar="NAME=V[,V]", help="as given to the sweep")
    flags.add_argument("--store", type=Path, default=Path("runs"), help="the sweep's store (%(default)s)")
    flags.add_argument("--tracking-uri", help="MLflow; the database in the store if not given")
    flags.add_argument("--out", type=Path, help="folder for the figures; the sweep's own if not given")
    flags.add_argument("--partial", action="store_true", help="hatch missing cells instead of refusing")
    return flags


if __name__ == "__main__":
    sys.exit(main())
