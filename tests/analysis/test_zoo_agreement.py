"""Tables I and II from the record: rows are the store's, the verdict goes both ways, what is missing is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import verdict as verdicts
from analysis.agreement.columns import OTHERS
from analysis.agreement.csv_table import read
from analysis.agreement.printed import encoders_text
from analysis.agreement.ranking import ranked, table
from analysis.agreement.verdict import verdict
from analysis.cells import MissingCells
from analysis.encoder_zoo.table import columns_of, others_of, pool_of, rows
from analysis.measure_agreement import draw, main
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.store.store import Store
from mi_ray.tracking.recorder import Recorder
from sweeps.encoder_zoo import OURS, STUDY
from tests.committed import commit_all, result_of

FILES = {
    *(f"measure-agreement.{suffix}" for suffix in ("csv", "md", "png", "pdf")),
    *(f"encoder-zoo.{suffix}" for suffix in ("csv", "md", "png", "pdf")),
    *("encoders.csv", "verdict.json", "cells.csv"),
}
NAMES = ("color", "digit", "all", "all/5", "all/20", "simclr/4", "supcon/4")
QUALITY = {name: 0.3 + 0.1 * place for place, name in enumerate(NAMES)}
SHUFFLED = dict(zip(NAMES, (0.5, 0.1, 0.9, 0.3, 0.2, 0.8, 0.4), strict=True))
ResultOf = Callable[[Cell], dict[str, Any]]


def results_that_favour(good: str, *, seeds: Mapping[str, float] | None = None) -> ResultOf:
    """Results in which accuracy is `QUALITY`, ``good`` follows it and every other measure is `SHUFFLED`."""

    def measure(name: str, cell: Cell) -> float:
        encoder = cell.parameters["encoder"]
        plain = QUALITY[encoder] if good == name else SHUFFLED[encoder]
        return plain + (seeds or {}).get(cell.parameters["seed"], 0.0)

    def result(cell: Cell) -> dict[str, Any]:
        viewed = cell.parameters.get("task") == "simclr"
        match cell.kind:
            case "evaluation":
                return {
                    "linear_balanced_accuracy": QUALITY[cell.parameters["encoder"]],
                    "linear_balanced_standard_error": 0.01,
                }
            case "estimation":
                bits = 6 * measure("i_simclr_bits" if viewed else "i_class_bits", cell)
                return {
                    "nominal_bits": bits,
                    "nominal_standard_error_bits": 0.02,
                    "certified": True,
                    "not_certified": "",
                }
            case "geometry":
                return _geometry(1 - measure("tolerance" if not viewed else "alignment_simclr", cell), viewed)
            case "checkpoint":
                return {"sha256": f"{cell.key[-6:]}ef", "layout": cell.parameters["layout"], "ran_code": False}
            case "views":
                return {"width": 512, "images": 4096}
            case "embedding":
                return result_of(cell) | {"effective_rank": 10 * measure("effective_rank", cell)}
            case "knn":
                accuracy = measure("knn_acc", cell)
                return {"knn_balanced_accuracy": accuracy, "knn_balanced_accuracy_standard_error": 0.01}
            case "quality":
                losses = {"bao_upper_nats": 3 - measure("bao_upper_nats", cell), "h_loss_standard_error_nats": 0.02}
                return {"rank_me": 20 * measure("rank_me", cell)} | losses
            case _:
                return result_of(cell)

    return result


def _geometry(alignment: float, viewed: bool) -> dict[str, Any]:
    measures = {"alignment": 2 * alignment, "uniformity": -3 * alignment**2}
    measures |= {} if viewed else {"tolerance": 1 - alignment}
    return measures | {f"{name}_standard_error": 0.005 for name in measures}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    return build(STUDY.questions(STUDY.grid("smoke", {"encoder": NAMES} | axes)), lambda data: "d" * 64)


PLAN = plan_of(views=(10_000,))


def mirrored(plan: Plan, folder: Path, results: ResultOf) -> str:
    store, uri = Store(folder), f"sqlite:///{folder}/mlflow.db"
    commit_all(plan.cells.values(), store, results)
    recorder = Recorder(uri, experiment=STUDY.name, sweep="encoder_zoo/smoke", artifacts=folder / "artifacts")
    assert recorder.mirror_all(plan, store) == 0
    return uri


def frame_of(plan: Plan, results: ResultOf) -> pd.DataFrame:
    """What `read_cells` would give of a plan whose cells have these results."""
    cells = [(cell, results(cell)) for cell in plan.cells.values()]
    return pd.DataFrame(
        [
            {"key": cell.key, "kind": cell.kind, **cell.parameters, **_mirror(cell.kind, result)}
            for cell, result in cells
        ],
        columns=None if cells else ["key", "kind"],
    )


def _mirror(kind: str, result: dict[str, Any]) -> dict[str, Any]:
    if kind == "checkpoint":
        return {f"read_{name}": result[name] for name in ("layout", "sha256")}
    return {name: value for name, value in result.items() if not isinstance(value, list)}


def before_they_were_asked(results: ResultOf) -> ResultOf:
    """The results of a store that was filled before `OTHERS` were asked for."""

    def result(cell: Cell) -> dict[str, Any]:
        return {} if cell.kind in ("knn", "quality", "embedding") else results(cell)

    return result


def encoders_of(plan: Plan, results: ResultOf) -> pd.DataFrame:
    frame = frame_of(plan, results)
    return rows(plan, columns_of(plan, frame) | others_of(plan, frame), frame)


def judged(plan: Plan, results: ResultOf) -> verdicts.Verdict:
    frame = frame_of(plan, results)
    columns = columns_of(plan, frame)
    return verdict(columns, *ranked(rows(plan, columns | others_of(plan, frame), frame)))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return mirrored(PLAN, tmp_path_factory.mktemp("zoo"), results_that_favour("i_class_bits"))


@pytest.fixture(scope="module")
def out(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    assert {path.name for path in draw(PLAN, uri, folder)} == FILES
    return folder


def test_a_row_is_the_stores_values_with_their_standard_errors_layout_and_sha256(out: Path) -> None:
    table = pd.read_csv(out / "encoder-zoo.csv").set_index("model")
    assert list(table.index) == list(NAMES)
    for name, row in table.iterrows():
        assert row["acc"] == pytest.approx(100 * QUALITY[name]) and row["acc_spread"] == pytest.approx(1)
        assert row["i_class_bits"] == pytest.approx(6 * QUALITY[name])
        assert row["i_simclr_bits"] == pytest.approx(6 * SHUFFLED[name])
        assert row["tolerance"] == pytest.approx(SHUFFLED[name]) and row["tolerance_spread"] == 0.005
        assert (row["read_layout"], row["tolerance_spread_is"]) == (OURS[name].layout, "standard error")
        assert row["read_sha256"].endswith("ef") and row["arch"] == "resnet10t"
    assert [set(table[name]) for name in ("table", "dataset", "pool")] == [{"zoo"}, {"cdp"}, {"ResNets"}]


def test_encoders_csv_is_read_as_any_table_and_gives_the_same_agreement(out: Path) -> None:
    agreement = pd.read_csv(out / "measure-agreement.csv").set_index("measure")
    again = table(read(out / "encoders.csv")).set_index("measure")
    assert set(agreement.index) - set(again.index) == {"alignment_simclr", "uniformity_simclr"}
    for name in again.index:
        assert agreement.loc[name, "kendall"] == pytest.approx(again.loc[name, "kendall"])
    assert agreement.loc["i_class_bits", "pearson"] == pytest.approx(1)
    assert agreement.loc["alignment", "pearson"] == pytest.approx(agreement.loc["tolerance", "pearson"])


def test_the_claim_holds_where_the_class_estimate_alone_follows_accuracy(out: Path) -> None:
    verdict = verdicts.read(out)
    assert verdict.holds is True and verdict.sentence.endswith("its lead over each of them is beyond chance.")
    assert "I_class r 1.00 and tau 1.00" in verdict.sentence
    assert verdict.numbers["table zoo, estimate, class pairs, r"] == pytest.approx(1)


@pytest.mark.parametrize("better", ["tolerance", "i_simclr_bits", "alignment_simclr"])
def test_the_claim_falls_where_another_measure_follows_accuracy(better: str) -> None:
    verdict = judged(PLAN, results_that_favour(better))
    assert verdict.holds is False and verdict.sentence.startswith("Does not hold; against the paper: the lead in r")
    assert "Table zoo (7 encoders): I_class r " in verdict.sentence


@pytest.mark.parametrize("better", ["knn_acc", "bao_upper_nats"])
def test_measures_beside_the_paper_s_are_told_where_they_agree_better_and_do_not_decide(better: str) -> None:
    verdict = judged(PLAN, results_that_favour(better))
    label = next(column.label for column in OTHERS if column.name == better)
    assert f"not in the claim, and better: {label} r 1.00 and tau 1.00 (table zoo)" in verdict.sentence
    assert verdict.numbers[f"table zoo, {label}, r"] == pytest.approx(1)


def test_measures_beside_the_paper_s_stand_in_every_table_and_file(out: Path) -> None:
    named = {column.name for column in OTHERS}
    assert named < set(pd.read_csv(out / "measure-agreement.csv")["measure"])
    assert named < set(pd.read_csv(out / "encoders.csv").columns)
    encoders = pd.read_csv(out / "encoder-zoo.csv").set_index("model")
    assert encoders["knn_acc"].to_dict() == pytest.approx({name: 100 * SHUFFLED[name] for name in NAMES})
    assert (encoders["bao_upper_nats_spread"] == 0.02).all() and encoders["rank_me"].notna().all()
    text = (out / "encoder-zoo.md").read_text()
    assert "| kNN accuracy, % ↑ | RankMe ↑ | effective rank ↑ | bound of Bao et al. ↓ |" in text
    assert "Not asked" not in text


def test_a_store_from_before_they_were_asked_for_gives_what_it_gave(out: Path) -> None:
    results = before_they_were_asked(results_that_favour("i_class_bits"))
    now, then = verdicts.read(out), judged(PLAN, results)
    assert then.sentence == now.sentence and then.holds is True
    assert then.numbers.items() < now.numbers.items()
    text = encoders_text(encoders_of(PLAN, results), pd.DataFrame())
    lacking = "kNN accuracy, %, RankMe, effective rank, bound of Bao et al."
    assert f"Not asked of these encoders yet: {lacking}; run the study again to ask." in text


def test_one_encoder_without_a_further_measure_takes_it_from_its_table() -> None:
    encoders = encoders_of(PLAN, results_that_favour("rank_me"))
    encoders.loc[0, "rank_me"] = float("nan")
    encoders["effective_rank"] = 5.0
    assert {"knn_acc", "bao_upper_nats"} == set(table(encoders)["measure"]) & {column.name for column in OTHERS}


def test_markdown_has_the_best_encoder_first_and_the_correlations_last(out: Path) -> None:
    lines = (out / "encoder-zoo.md").read_text().splitlines()
    assert lines[0] == "## Table zoo: cdp, ResNets"
    body = [line for line in lines if line.startswith("| ")][2:]
    assert body[0].startswith("| supcon/4 | 90.00 ± 1.00 |") and body[6].startswith("| color | 30.00")
    assert [line.split(" | ")[0] for line in body[7:9]] == ["| Pearson's r", "| Kendall's tau"]
    assert "| supcon/4 | resnet10t | supcon |" in "\n".join(lines)
    assert "## Table zoo: cdp, ResNets, 7 encoders" in (out / "measure-agreement.md").read_text()


def test_missing_cells_are_named_or_shown_as_missing(uri: str, tmp_path: Path) -> None:
    plan = plan_of(views=(10_000,), encoder=(*NAMES[:6], "SwAV"))
    with pytest.raises(MissingCells, match="encoder=SwAV"):
        draw(plan, uri, tmp_path)
    draw(plan, uri, tmp_path, partial=True)
    assert "| SwAV | missing |" in (tmp_path / "encoder-zoo.md").read_text()
    verdict = verdicts.read(tmp_path)
    assert verdict.holds is None and "of 56 cells are missing" in verdict.sentence
    assert pd.read_csv(tmp_path / "measure-agreement.csv")["encoders"].tolist() == [6] * (7 + len(OTHERS))


def test_few_encoders_are_not_ranked_and_fewer_than_three_have_no_agreement(uri: str, tmp_path: Path) -> None:
    for n, words in ((4, "4 encoders are too few to rank"), (2, "2 encoders; a correlation needs")):
        draw(plan_of(views=(10_000,), encoder=NAMES[:n]), uri, tmp_path / str(n))
        verdict = verdicts.read(tmp_path / str(n))
        assert verdict.holds is None and words in verdict.sentence
    assert "No table has three encoders" in (tmp_path / "2" / "measure-agreement.md").read_text()


def test_seeds_are_averaged_and_other_axes_make_tables_of_their_own() -> None:
    plan = plan_of(views=(10_000,), encoder=NAMES[:6], seed=(0, 1), k_est=(512, 1024))
    encoders = encoders_of(plan, results_that_favour("i_class_bits", seeds={"1": 0.1}))
    assert sorted(set(encoders["table"])) == ["zoo, k_est=1024", "zoo, k_est=512"] and len(encoders) == 12
    assert encoders["i_class_bits"].to_numpy() == pytest.approx(
        [6 * (QUALITY[name] + 0.05) for name in encoders["model"]]
    )
    assert set(encoders["i_class_bits_spread_is"]) == {"sd over seeds"} and encoders["acc"].notna().all()


def test_encoders_of_another_architecture_make_a_table_of_their_own() -> None:
    plan = plan_of(views=(10_000,), encoder=NAMES[:3], arch=("resnet10t", "resnet18"))
    encoders = encoders_of(plan, results_that_favour("i_class_bits"))
    assert sorted(set(encoders["table"])) == ["zoo, arch=resnet10t", "zoo, arch=resnet18"]
    assert (encoders["read_sha256"].str.len() == 8).all()


@pytest.mark.parametrize(("preset", "tables"), [("paper", {"VI": 16, "VIII": 13}), ("paper-1k", {"VII": 16, "IX": 11})])
def test_published_encoders_stand_in_the_papers_tables(preset: str, tables: dict[str, int]) -> None:
    plan = build(STUDY.questions(STUDY.grid(preset, {})), lambda data: "d" * 64)
    mirrored = frame_of(plan.only("nothing"), results_that_favour("i_class_bits"))
    assert dict(rows(plan, columns_of(plan, mirrored), mirrored)["table"].value_counts()) == tables


def test_redrawing_the_same_record_gives_the_same_bytes(uri: str, out: Path, tmp_path: Path) -> None:
    draw(PLAN, uri, tmp_path)
    assert all((out / name).read_bytes() == (tmp_path / name).read_bytes() for name in FILES)


@pytest.mark.parametrize(
    ("arch", "pool"),
    [
        ("resnet50", "ResNets"),
        ("pit_s_224.in1k", "ViTs"),
        ("vit_base_patch16_224.dino", "ViTs"),
        ("convnext_tiny", "other encoders"),
    ],
)
def test_encoders_are_pooled_as_the_paper_does(arch: str, pool: str) -> None:
    assert pool_of(arch) == pool


def test_the_command_draws_a_sweep_unless_a_table_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", "smoke", "--store", str(tmp_path)]) == 1
    assert "run the sweep first" in capsys.readouterr().err
