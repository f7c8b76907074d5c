"""Tables of all studies: an axis that is compared makes rows of its own, whatever it is; only seeds share a row."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from math import nan
from typing import Any

import pandas as pd
import pytest

from analysis.encoder_zoo.table import columns_of
from analysis.encoder_zoo.table import rows as zoo_rows
from analysis.infomin_grid import table as infomin_grid_table
from analysis.infomin_grid.table import ACCURACY, ESTIMATE
from analysis.infomin_strength import table as infomin_strength_table
from analysis.negatives import table as negatives_rows
from analysis.negatives.verdict import verdict as negatives_verdict
from analysis.objectives import table as objectives_rows
from analysis.objectives.verdict import verdict as objectives_verdict
from analysis.small_batch import table as small_batch_rows
from analysis.temperature.table import rows as temperature_rows
from mi_ray.experiments.declare import Data
from mi_ray.experiments.declare.identity import canonical, own_fields
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.plan.study import Study
from sweeps import encoder_zoo, infomin_grid, infomin_strength, negatives, objectives, small_batch, temperature
from tests.committed import made_up
from tests.made_up import mirrored_frame

Table = Callable[[Plan, pd.DataFrame], pd.DataFrame]


def digest(data: Data) -> str:
    """Images of another declaration are other images."""
    return f"{zlib.crc32(canonical(own_fields(data)).encode()):064x}"


def plan_of(study: Study, **axes: tuple[Any, ...]) -> Plan:
    return build(study.questions(study.grid("smoke", {"seed": (0,)} | axes)), digest)


def made_up_result(cell: Cell) -> dict[str, Any]:
    """A number of its own for every cell, under every name that a table reads."""
    number = made_up(cell)
    accuracy = {"linear_accuracy": number, "linear_standard_error": 0.01}
    accuracy |= {"linear_balanced_accuracy": number, "linear_balanced_standard_error": 0.01}
    geometry = {name: number for name in ("alignment", "uniformity", "tolerance")}
    estimate = {"nominal_bits": number, "lower_bits": number - 0.01, "upper_bits": number + 0.01, "certified": True}
    return {
        "evaluation": accuracy, "estimation": estimate, "training": {"in_training_bits": number, "loss_nats": number},
        "geometry": geometry, "checkpoint": {"layout": "flat", "sha256": cell.key},
    }.get(cell.kind, {})  # fmt: skip


def heatmaps(matrix: Any) -> Table:
    return lambda plan, mirrored: infomin_grid_table.table(matrix, plan, mirrored).rename(columns={"value": "mean"})


def curves(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    return infomin_strength_table.table(plan, mirrored).rename(columns={"accuracy": "mean"})


def temperatures(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    return temperature_rows(plan, mirrored).rename(columns={"acc": "mean"})


def zoo(plan: Plan, mirrored: pd.DataFrame) -> pd.DataFrame:
    columns = columns_of(plan, mirrored)
    assert len(zoo_rows(plan, columns, mirrored)) == len(columns["i_class_bits"])
    return columns["i_class_bits"]


COMPARED: list[tuple[Study, Table, dict[str, tuple[Any, ...]]]] = [
    *((infomin_grid.STUDY, heatmaps(matrix), axes) for matrix in (ACCURACY, ESTIMATE) for axes in (
        {"k_tr": (8, 32)}, {"digits": ("/a", "/b")}, {"mix": ("linear", "additive")},
        {"arch": ("resnet10t", "resnet18")},
        {"k_tr": (8, 32), "temperature": (0.1, 0.2)}, {"train_images": (1024, 2048)},
    )),
    *((infomin_strength.STUDY, curves, axes) for axes in ({"k_tr": (8, 32)}, {"backgrounds": ("/a", "/b")})),
    *((small_batch.STUDY, small_batch_rows.table, axes) for axes in (
        {"temperature": (0.1, 0.2)}, {"digits": ("/a", "/b")},
        {"arch": ("resnet10t", "resnet18"), "views": (2000, 4000)},
    )),
    *((objectives.STUDY, objectives_rows.table, axes) for axes in (
        {"share": (0.5, 1.0)}, {"data": ("cdp", "cdp-small")}, {"arch": ("resnet10t", "resnet18")},
    )),
    *((temperature.STUDY, temperatures, axes) for axes in ({"share": (0.5, 1.0)}, {"data": ("cdp", "cdp-small")})),
    *((negatives.STUDY, negatives_rows.table, axes) for axes in (
        {"k_tr": (8, 32)}, {"held_out": (0.3, 0.4)}, {"stem": ("imagenet", "cifar")}, {"temperature": (0.1, 0.2)},
    )),
    *((encoder_zoo.STUDY, zoo, axes) for axes in (
        {"k_est": (256, 512)}, {"views": (4000, 8000)}, {"canvas": (32, 64)},
    )),
]  # fmt: skip


def name_of(case: object) -> str | None:
    return case.name if isinstance(case, Study) else " ".join(case) if isinstance(case, Mapping) else None


@pytest.mark.parametrize(("study", "table", "axes"), COMPARED, ids=name_of)
def test_what_is_compared_is_never_averaged(study: Study, table: Table, axes: dict[str, tuple[Any, ...]]) -> None:
    plan = plan_of(study, **axes)
    rows = table(plan, mirrored_frame(plan, made_up_result))
    single = {name: values[:1] for name, values in axes.items()}
    single_plan = plan_of(study, **single)
    several = 1
    for values in axes.values():
        several *= len(values)
    assert len(rows) == several * len(table(single_plan, mirrored_frame(single_plan, made_up_result)))
    assert set(rows["n_seeds_asked"]) == {1}
    measured = {
        number for cell in plan.cells.values() for number in made_up_result(cell).values() if isinstance(number, float)
    }
    scaled = measured | {100 * number for number in measured}
    assert set(rows["mean"]) <= scaled, "a mean is no cell's own value"


@pytest.mark.parametrize(
    ("study", "table"),
    [(infomin_grid.STUDY, heatmaps(ACCURACY)), (objectives.STUDY, objectives_rows.table),
     (negatives.STUDY, negatives_rows.table), (temperature.STUDY, temperatures),
     (small_batch.STUDY, small_batch_rows.table), (encoder_zoo.STUDY, zoo), (infomin_strength.STUDY, curves)],
    ids=name_of,
)  # fmt: skip
def test_seeds_of_training_data_critics_and_views_share_a_row(study: Study, table: Table) -> None:
    one_seed, two_seeds = plan_of(study, seed=(0,)), plan_of(study, seed=(0, 1))
    rows = table(two_seeds, mirrored_frame(two_seeds, made_up_result))
    assert len(rows) == len(table(one_seed, mirrored_frame(one_seed, made_up_result)))
    assert set(rows["n_seeds_asked"]) == {2}


def test_verdicts_have_a_number_for_each_row_that_is_compared() -> None:
    """Numbers are named by all that tells their rows apart, so that none is overwritten."""
    axes = {"share": (0.5, 1.0)}
    plan = plan_of(objectives.STUDY, seed=(0,), **axes)
    mirrored = mirrored_frame(plan, made_up_result)
    compared = objectives_rows.differences(plan, mirrored)
    given = objectives_verdict(objectives_rows.table(plan, mirrored), compared)
    assert len(given.numbers) == len(compared) == 2 * len(objectives_rows.COMPARISONS)
    of_negatives = plan_of(negatives.STUDY, seed=(0,), k_tr=(8, 32))
    rows = negatives_rows.table(of_negatives, mirrored_frame(of_negatives, made_up_result))
    assert len(negatives_verdict(rows).numbers) == 2 * (4 + 1)
    assert nan not in given.numbers.values()
