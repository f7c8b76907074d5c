"""How long commands take to say something, to begin their first cell and to end, and the memory that they take.

    python benchmarks/starts/commands.py                                     # helps, words, dry run
    python benchmarks/starts/commands.py --against ../other --rounds 5       # in turns with another checkout
    python benchmarks/starts/commands.py --against ../other --runs           # and whole runs, ten seconds and more each

Both checkouts run in this environment, in turns, so that a machine whose speed drifts treats them alike. The first
round is not counted: it fills the caches. Times are medians in seconds; processor time counts child processes.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parents[2]

WORD = "from mi_ray.commands.main import main; main()"
SMALL = ("--preset", "smoke", "--axis", "views=256", "--axis", "pairing=color", "--axis", "task=color")
STUDY = ("sweeps/infomin_grid.py", *SMALL, "--store", "{store}")

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "study --help": ("sweeps/infomin_grid.py", "--help"),
    "study --dry-run": ("sweeps/infomin_grid.py", "--dry-run", "--store", "{store}"),
    "report --help": ("analysis/report.py", "--help"),
    "heatmap --help": ("analysis/infomin_heatmap.py", "--help"),
    "agreement --help": ("analysis/measure_agreement.py", "--help"),
    "mi-ray --help": ("-c", WORD, "--help"),
    "mi-ray run": ("-c", WORD, "run"),
    "mi-ray doctor": ("-c", WORD, "doctor", "--store", "{store}"),
}
RUNS: Mapping[str, tuple[str, ...]] = {
    "run on Ray": STUDY,
    "all in the store": STUDY,
    "mi-ray ls": ("-c", WORD, "ls", "--store", "{store}"),
    "run here": (*STUDY[:-1], "{store} here", "--on", "here"),
}
"""In this order: the second finds what the first has computed."""

CELL = b"  start   "
"""In the line that tells of a cell that begins, where the output is no terminal."""


@dataclass(frozen=True)
class Start:
    """Seconds to the first line, to the first cell (0: none began) and to the end; processor seconds; MB of the largest
    process."""

    line: float
    cell: float
    end: float
    processor: float
    memory: float


def started(checkout: Path, command: tuple[str, ...], store: Path) -> Start:
    """Run a command of a checkout; RuntimeError with what it said if it fails."""
    given = [part.replace("{store}", str(store)) for part in command]
    before, began, line, cell, told = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0.0, 0.0, b""
    run = [sys.executable, "-u", *given]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(run, cwd=checkout, env=environment(checkout), **out) as process:
        assert process.stdout
        for text in process.stdout:
            now = time.monotonic() - began
            line, cell, told = line or now, cell or (now if CELL in text else 0.0), told + text
        process.wait()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"{' '.join(run)}: {told.decode()[-2000:]}")
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Start(line, cell, time.monotonic() - began, seconds, _peak(checkout, given) if not cell else 0.0)


def _peak(checkout: Path, given: list[str]) -> float:
    """MB of resident memory at most, of the command run once more by itself."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    run = [sys.executable, "-c", code, sys.executable, *given]
    ran = subprocess.run(run, cwd=checkout, env=environment(checkout), capture_output=True, check=True)
    return int(ran.stdout) * 1024 / 1e6


def environment(checkout: Path) -> dict[str, str]:
    """The environment in which the packages of a checkout are imported, and keep their compiled files."""
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}


def measured(checkouts: Mapping[str, Path], commands: Mapping[str, tuple[str, ...]], rounds: int) -> Iterator[str]:
    """A line of the table for every command and checkout."""
    yield "| command | checkout | first line | first cell | end | processor | MB |\n|---|---|---|---|---|---|---|"
    found: dict[tuple[str, str], list[Start]] = {}
    for number in range(1 + rounds):
        with TemporaryDirectory() as folder:
            for name, command in commands.items():
                for called, checkout in checkouts.items():
                    start = started(checkout, command, Path(folder) / called)
                    if number:
                        found.setdefault((name, called), []).append(start)
    for (name, called), starts in found.items():
        values = {each.name: median(getattr(start, each.name) for start in starts) for each in fields(Start)}
        seconds = [f"{values[key]:.2f}" if values[key] else "" for key in ("line", "cell", "end", "processor")]
        memory = f"{values['memory']:.0f}" if values["memory"] else ""
        yield f"| {name} | {called} | {' | '.join(seconds)} | {memory} |"


def main() -> None:
    """Print the table."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--against", type=Path, help="another checkout")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--runs", action="store_true", help="measure whole runs too")
    flags.add_argument("--only", default="", metavar="TEXT", help="only commands whose name holds it")
    given = flags.parse_args()
    checkouts = {"this": HERE} | ({"other": given.against.resolve()} if given.against else {})
    commands = {name: each for name, each in (COMMANDS | (RUNS if given.runs else {})).items() if given.only in name}
    for line in measured(checkouts, commands, given.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
