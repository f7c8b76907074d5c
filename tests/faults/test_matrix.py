"""The matrix shows what its tests measured and how they ended."""

import pytest

from tests.faults.matrix import Matrix

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.fault("F12", "kill -9 of the server")
def test_recovers(recovery):
    recovery.seconds, recovery.redone = 2.5, "1 step"

@pytest.mark.fault("F3", "kill -9 before the rename")
def test_breaks():
    assert False

@pytest.mark.fault("F7", "a hung raylet")
def test_not_here():
    pytest.skip("one node only")

def test_no_row(): ...
"""

ROWS = ["| row | injected | recovered in s | work redone | verdict |", "| --- | --- | --- | --- | --- |"]


def test_rows_stand_in_the_order_of_the_matrix_with_their_verdict(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers =\n  fault(row, injected): a row")
    pytester.makepyfile(TESTS)
    matrix = Matrix(pytester.path / "matrix.md")
    pytester.inline_run(plugins=[matrix])
    lines = (pytester.path / "matrix.md").read_text().splitlines()
    assert lines[:2] == ROWS
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| F3", "| F7", "| F12"]
    assert lines[2].endswith("| failed |")
    assert lines[3].endswith("| skipped (one node only) |")
    assert lines[4] == "| F12 | kill -9 of the server | 2.5 | 1 step | passed |"
