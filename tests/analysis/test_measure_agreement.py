"""Tables IV-IX as golden test: every printed correlation comes back; bad tables are refused in one line by name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.agreement.columns import COLUMNS, MEASURES
from analysis.agreement.csv_table import read
from analysis.agreement.figure import FEWER, dots, write
from analysis.agreement.ranking import table
from analysis.measure_agreement import main
from analysis.what_holds import PRINTED as ROWS
from mi_ray.experiments.declare.checks import Refused

PAPER = ROWS
"""The rows of Tables IV-IX as printed, encoders under the paper's names."""

PRINTED = {
    ("IV", "alignment"): (0.035, 0.067),
    ("IV", "uniformity"): (-0.218, -0.067),
    ("IV", "tolerance"): (0.046, 0.138),
    ("IV", "contrastive_loss_nats"): (-0.367, -0.067),
    ("IV", "i_simclr_bits"): (-0.041, -0.067),
    ("IV", "i_class_bits"): (0.634, 0.467),
    ("V", "alignment"): (0.250, -0.067),
    ("V", "uniformity"): (-0.173, 0.333),
    ("V", "tolerance"): (0.247, -0.067),
    ("V", "contrastive_loss_nats"): (-0.672, -0.200),
    ("V", "i_simclr_bits"): (0.085, 0.067),
    ("V", "i_class_bits"): (0.805, 0.467),
    ("VI", "alignment"): (-0.197, 0.159),
    ("VI", "uniformity"): (0.381, 0.092),
    ("VI", "tolerance"): (-0.200, 0.159),
    ("VI", "i_simclr_bits"): (0.510, 0.233),
    ("VI", "i_class_bits"): (0.967, 0.883),
    ("VII", "alignment"): (0.012, 0.250),
    ("VII", "uniformity"): (0.213, -0.033),
    ("VII", "tolerance"): (0.007, 0.250),
    ("VII", "i_simclr_bits"): (0.535, 0.233),
    ("VII", "i_class_bits"): (0.943, 0.617),
    ("VIII", "alignment"): (-0.442, -0.026),
    ("VIII", "uniformity"): (0.623, 0.308),
    ("VIII", "tolerance"): (-0.444, -0.026),
    ("VIII", "i_simclr_bits"): (0.727, 0.513),
    ("VIII", "i_class_bits"): (0.975, 0.821),
    ("IX", "alignment"): (-0.360, -0.055),
    ("IX", "uniformity"): (0.546, 0.418),
    ("IX", "tolerance"): (-0.360, -0.055),
    ("IX", "i_simclr_bits"): (0.790, 0.600),
    ("IX", "i_class_bits"): (0.979, 0.891),
}
"""Pearson's rho and Kendall's tau_K with accuracy, as the last two lines of each table print them."""

MISPRINTED = ("V", "i_simclr_bits")
"""Its rows give r = .088 where .085 is printed."""

FILES = {f"measure-agreement.{suffix}" for suffix in ("csv", "png", "pdf")}
ENCODERS = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def full() -> pd.DataFrame:
    return table(read(PAPER))


@pytest.fixture(scope="module")
def beside() -> pd.DataFrame:
    return table(read(PAPER), ["Jigsaw", "RotNet"])


def at(tidy: pd.DataFrame, name: str, measure: str, left_out: str = "") -> pd.Series:
    (row,) = (r for _, r in tidy.iterrows() if (r["table"], r["measure"], r["left_out"]) == (name, measure, left_out))
    return row


def small(folder: Path, *, drop: str = "", header: dict[str, str] | None = None, **cells: object) -> Path:
    """A good table of four encoders and two measures, with cells of encoder b changed, a column dropped or renamed."""
    good = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(len(ENCODERS)))
    good[["table", "dataset", "pool"]] = ["T", "cdp", "trained"]
    good["model"] = ENCODERS
    good["acc"], good["i_class_bits"], good["tolerance"] = (50, 60, 70, 80), (1.0, 3.0, 2.0, 4.0), (0.1, 0.2, 0.3, 0.3)
    good = good.astype(object)
    for column, value in cells.items():
        good.loc[1, column] = value
    path = folder / "small.csv"
    good.drop(columns=[drop] if drop else []).rename(columns=header or {}).to_csv(path, index=False)
    return path


def refusal(path: Path, *flags: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--table", str(path), "--out", str(path.parent / "out"), *flags]) == 1
    captured = capsys.readouterr()
    assert not captured.out and not (path.parent / "out").exists()
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize("place", PRINTED)
def test_every_printed_correlation_comes_back(full: pd.DataFrame, place: tuple[str, str]) -> None:
    row, (pearson, kendall) = at(full, *place), PRINTED[place]
    assert row["kendall"] == pytest.approx(kendall, abs=0.001)
    assert row["pearson"] == pytest.approx(0.088 if place == MISPRINTED else pearson, abs=0.001)


def test_the_table_has_a_row_for_every_printed_pair_and_no_other(full: pd.DataFrame) -> None:
    assert set(zip(full["table"], full["measure"], strict=True)) == set(PRINTED) and len(full) == len(PRINTED)
    assert dict(zip(full["table"], full["encoders"], strict=True)) == {
        "IV": 6,
        "V": 6,
        "VI": 16,
        "VII": 16,
        "VIII": 13,
        "IX": 11,
    }


def test_intervals_hold_their_correlations(full: pd.DataFrame) -> None:
    for name in ("pearson", "kendall"):
        for span in (f"{name}", f"{name}_less_one"):
            assert (full[f"{span}_low"] <= full[name]).all() and (full[name] <= full[f"{span}_high"]).all()


def test_the_class_estimate_of_table_vi_is_firm_and_jigsaw_moves_it_most(full: pd.DataFrame) -> None:
    row = at(full, "VI", "i_class_bits")
    assert (row["pearson_low"], row["pearson_high"]) == pytest.approx((0.89, 0.99), abs=0.01)
    assert (row["most_influential"], row["top_3"]) == ("Jigsaw", 3)
    assert row["pearson_less_most_influential"] == row["pearson_less_one_low"] == pytest.approx(0.945, abs=0.001)


def test_without_jigsaw_and_rotnet_the_simclr_estimate_of_table_vi_agrees_with_nothing(beside: pd.DataFrame) -> None:
    fewer = {m: at(beside, "VI", m, "RotNet, Jigsaw") for m in ("i_class_bits", "i_simclr_bits", "alignment")}
    correlations = [row["pearson"] for row in fewer.values()]
    assert correlations == pytest.approx([0.920, 0.003, 0.630], abs=0.001)
    assert {row["encoders"] for row in fewer.values()} == {14}


def test_leaving_out_adds_rows_beside_the_full_ones_where_the_encoders_stand(
    full: pd.DataFrame, beside: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(beside[beside["left_out"] == ""].reset_index(drop=True), full)
    assert set(beside[beside["left_out"] != ""]["table"]) == {"VI", "VII"}


def test_a_table_of_a_sweep_is_read_by_the_same_columns(tmp_path: Path) -> None:
    tidy = table(read(small(tmp_path)))
    assert list(tidy["measure"]) == ["i_class_bits", "tolerance"]
    assert tidy["kendall"].iloc[0] == pytest.approx(2 / 3)


def test_figure_has_two_panels_a_table_and_a_dot_for_each_row(beside: pd.DataFrame) -> None:
    figure = dots(beside)
    marks = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "o"]
    assert len(figure.axes) == 2 * 6 and len(marks) == 2 * len(beside)
    assert sum(mark.get_color() == FEWER for mark in marks) == 2 * (beside["left_out"] != "").sum()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [measure.label for measure in MEASURES]


def test_redrawing_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    tidy = table(read(small(tmp_path)), ["b"])
    first, second = (write(tidy, tmp_path / name) for name in ("first", "second"))
    assert {path.name for path in first} == FILES
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_command_prints_the_table_and_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--table", str(small(tmp_path)), "--without", "b", "--out", str(tmp_path / "out")]
    assert main(flags) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Table T: cdp, trained, 4 encoders; 3 without b"
    assert [line.split("  ")[0] for line in printed[2:4]] == ["estimate, class pairs", ""]
    assert {Path(line).name for line in printed[-3:]} == FILES and all(Path(line).is_file() for line in printed[-3:])
    written = pd.read_csv(tmp_path / "out" / "measure-agreement.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, table(read(small(tmp_path)), ["b"]).drop(columns="label"), check_dtype=False)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("acc", "", "small.csv, line 3, acc: ''"),
        ("acc", "high", "small.csv, line 3, acc: 'high'"),
        ("acc", "101", "small.csv, line 3, acc: '101'"),
        ("tolerance", "inf", "small.csv, line 3, tolerance: 'inf'"),
        ("tolerance", "nan", "small.csv, line 3, tolerance: 'nan'"),
        ("tolerance", "", "table T, tolerance: '' is not allowed; allowed: a number for b"),
        ("uniformity", "-2", "table T, uniformity: '' is not allowed; allowed: a number for a"),
        ("model", "", "small.csv, line 3, model: ''"),
        ("model", "a", "table T, model: 'a'"),
        ("pool", "zoo", "table T, pool: 'trained, zoo'"),
        ("table", "U", "table U, i_class_bits: measure and accuracy: 1 encoders"),
    ],
)
def test_a_bad_value_is_refused_by_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, value: str, words: str
) -> None:
    assert words in refusal(small(tmp_path, **{column: value}), capsys=capsys)


def test_a_bad_header_is_refused_by_its_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "column acc is missing" in refusal(small(tmp_path, drop="acc"), capsys=capsys)
    assert "column acc is missing" in refusal(small(tmp_path, header={"acc": "accuracy"}), capsys=capsys)
    assert "column: 'seed'" in refusal(small(tmp_path, seed="0"), capsys=capsys)


def test_what_is_no_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, path = ",".join(COLUMNS), tmp_path / "small.csv"
    for content, words in (
        (b"", "is missing"),
        (header.encode(), "has no rows"),
        (f"{header}\nT,cdp\n".encode(), "line 2: must have 11 fields"),
        (f"{header}\n{'1,' * 11}1\n".encode(), "line 2: must have 11 fields"),
        (f"{header}\n{'x,' * 4}50,,,,,,\n".encode(), "table x: has no measure"),
        (b"\xff\xfe", "cannot be read"),
    ):
        path.write_bytes(content)
        assert words in refusal(path, capsys=capsys)
    assert "cannot be read" in refusal(tmp_path / "none.csv", capsys=capsys)


def test_constant_measures_and_too_few_left_are_refused_by_table_and_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constant = small(tmp_path)
    constant.write_text(constant.read_text().replace("0.1", "0.3").replace("0.2", "0.3"))
    assert "table T, tolerance: measure: 0.3 for all 4 encoders" in refusal(constant, capsys=capsys)
    fewer = refusal(small(tmp_path), "--without", "a,b", capsys=capsys)
    assert fewer.startswith("table T without a, b, i_class_bits: measure and accuracy: 2 encoders")


def test_an_encoder_that_stands_nowhere_is_refused_with_those_that_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(small(tmp_path), "--without", "a,Jigsaw", capsys=capsys)
    assert line == "without: 'Jigsaw' is not allowed; allowed: a, b, c, d"
    with pytest.raises(Refused):
        table(read(PAPER), [""])
