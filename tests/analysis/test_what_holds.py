"""What the page about the paper says is what its printed rows and mi-ray's own sampler give."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import verdict
from analysis.agreement.csv_table import read
from analysis.agreement.ranking import table
from analysis.paper.bound import balanced_bits, least_k, sampled_bits
from analysis.paper.page import OUTLIERS, page
from analysis.paper.tables import gap_to_tolerance, repeated_rows
from analysis.verdict import Verdict
from analysis.what_holds import PRINTED, main, verdicts
from mi_ray.theory.channel import LabelChannel

DOCS = Path(__file__).parents[2] / "docs" / "what-holds.md"


@pytest.fixture(scope="module")
def encoders():
    return read(PRINTED)


@pytest.mark.parametrize(("n_classes", "k"), [(64, 256), (4, 8), (10, 64)])
def test_the_sampler_reads_what_eq_4_is_expected_to_read_and_that_exceeds_the_entropy_where_it_should(n_classes, k):
    sampled, channel = sampled_bits(n_classes, k, 4000), LabelChannel.uniform(n_classes)
    expected = channel.nominal_ceiling_bits(k)
    assert sampled.mean_bits == pytest.approx(expected, abs=4 * sampled.standard_error_bits)
    assert sampled.standard_error_bits < 0.02
    assert LabelChannel.uniform(64).nominal_ceiling_bits(256) > 6.002


def test_balanced_batches_read_more_than_there_is(encoders):
    assert balanced_bits(64, 64) == pytest.approx(6.989, abs=1e-3)
    assert balanced_bits(64, 128) == pytest.approx(6.409, abs=1e-3)
    assert balanced_bits(64, 256) == pytest.approx(6.190, abs=1e-3)
    with pytest.raises(ValueError, match="k: 100 is not allowed; allowed: a multiple of 64"):
        balanced_bits(64, 100)


@pytest.mark.parametrize(("bits", "k"), [(9.58, 384), (8.997, 256), (8.998, 257), (1.0, 2), (0.0, 1)])
def test_the_least_k_is_the_first_whose_bound_reaches_a_reading(bits, k):
    assert least_k(bits) == k


def test_one_row_is_repeated_and_two_columns_are_one_measurement(encoders):
    assert list(repeated_rows(encoders)) == [("VI", "Supervised", "MoCo")]
    assert gap_to_tolerance(encoders).max() < 0.03
    changed = encoders.assign(uniformity=encoders["uniformity"] + range(len(encoders)))
    assert not list(repeated_rows(changed))


def test_without_the_outliers_alignment_agrees_and_the_estimate_leads_in_both_cases(encoders):
    agreement = table(encoders[encoders["table"] == "VI"], OUTLIERS).set_index(["measure", "left_out"])["pearson"]
    every, fewer = (agreement.xs(left, level="left_out") for left in ("", "RotNet, Jigsaw"))
    assert every["alignment"] < 0 < 0.5 < fewer["alignment"] and every["tolerance"] < 0 < 0.5 < fewer["tolerance"]
    assert every.idxmax() == fewer.idxmax() == "i_class_bits"


def test_the_page_in_docs_is_what_the_command_writes(encoders):
    made = page(encoders, [], "runs", "a command")
    assert made.split("\n## ")[1:] == [part for part in DOCS.read_text().split("\n## ")[1:] if "Study |" not in part]


def test_the_page_has_the_verdicts_of_a_store_and_a_damaged_one_is_refused_in_a_line(tmp_path, capsys):
    for study, holds in (("temperature", None), ("objectives", True)):
        folder = tmp_path / "figures" / study / "laptop"
        folder.mkdir(parents=True)
        verdict.write(Verdict(study, "a claim | of the paper", holds, "Said so."), folder)
    assert [found.study for found in verdicts(tmp_path)] == ["objectives", "temperature"]
    out = tmp_path / "page.md"
    assert main(["--store", str(tmp_path), "--out", str(out)]) == 0
    assert "| objectives | holds | a claim \\| of the paper | Said so. |" in out.read_text()
    assert "| temperature | cannot be judged |" in out.read_text()
    (folder / verdict.FILE).write_text("{")
    assert main(["--store", str(tmp_path)]) == 1
    assert "cannot be read as a verdict" in capsys.readouterr().err
