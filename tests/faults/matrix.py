"""The fault matrix: tests marked ``fault`` are its rows, and ``make faults`` prints it after they have run.

    @pytest.mark.fault("F3", "kill -9 before the cell is renamed into place")
    def test_...(recovery): ...

A row is one kind of fault. A test may measure what its recovery cost with the fixture `recovery`: the seconds from the
fault to the end of the recovery, and the work that was done twice. Without it, the seconds are those of the whole test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

MATRIX = "--matrix"

PATIENCE = 900.0
"""Seconds in which a command that recovers from a fault ends; a hung one never does. Two cores that do other work too
take ten times as long as two that do not."""

HANGS_SECONDS = 2 * PATIENCE
"""Seconds after which a slow test of a fault is taken to hang."""


@dataclass
class Recovery:
    """What the recovery of one test cost; a test sets what it measured."""

    seconds: float | None = None
    redone: str = ""


@dataclass
class Line:
    """One test of the matrix."""

    row: str
    injected: str
    recovery: Recovery = field(default_factory=Recovery)
    seconds: float = 0.0
    outcome: str = "not run"
    reason: str = ""

    def cells(self) -> list[str]:
        """The columns of the matrix as text."""
        recovered = self.seconds if self.recovery.seconds is None else self.recovery.seconds
        verdict = f"{self.outcome} ({self.reason})" if self.reason else self.outcome
        return [self.row, self.injected, f"{recovered:.1f}", self.recovery.redone or "-", verdict]


class Matrix:
    """A pytest plugin that collects the outcome of every test marked ``fault``."""

    HEADER = ("row", "injected", "recovered in s", "work redone", "verdict")

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.lines: dict[str, Line] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if marker := item.get_closest_marker("fault"):
                self.lines[item.nodeid] = Line(*marker.args)
                if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
                    item.add_marker(pytest.mark.timeout(HANGS_SECONDS))

    @pytest.fixture
    def recovery(self, request: pytest.FixtureRequest) -> Iterator[Recovery]:
        """The cost of this test's recovery, to be filled in."""
        line = self.lines.get(request.node.nodeid)
        yield line.recovery if line else Recovery()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        line = self.lines.get(report.nodeid)
        if line is None:
            return
        line.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            line.outcome = report.outcome
        if report.skipped and isinstance(report.longrepr, tuple):
            line.reason = report.longrepr[2].removeprefix("Skipped: ")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._file is None:
            return
        table = self.table()
        terminalreporter.write_line(f"\n{table}")
        self._file.write_text(table + "\n")

    def table(self) -> str:
        """The matrix in Markdown, in the order of its rows."""
        ordered = sorted(self.lines.values(), key=lambda line: (int(line.row.removeprefix("F") or 0), line.injected))
        rows = [list(self.HEADER), ["---"] * len(self.HEADER), *(line.cells() for line in ordered)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
