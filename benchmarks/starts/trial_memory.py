"""Memory of the processes of a run on Ray while its encoders train, and of the imports that a trial begins with.

    python benchmarks/starts/trial_memory.py                          # the laptop's trainings, 20 s of them
    python benchmarks/starts/trial_memory.py --against ../other       # then those of another checkout
    python benchmarks/starts/trial_memory.py --imports                # no training: what each import adds

``private``: pages of this process alone. ``share``: these, and of every shared page a part among its processes (PSS).
``resident``: all pages, which counts those that processes share once for each. In MB (1e6 bytes).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.starts.commands import environment

HERE = Path(__file__).resolve().parents[2]
STUDY = ("sweeps/infomin_grid.py", "--only", "training*")
IMPORTS = ("numpy", "ray", "ray.tune", "torch", "mi_ray.orchestration.trial", "timm", "mi_ray.experiments.run.job")

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
EACH = """
import sys
sys.path[:0] = [".", {here!r}]
from benchmarks.starts.trial_memory import memory_of
from importlib import import_module
before = memory_of("self")[0]
for name in sys.argv[1:]:
    import_module("mi_ray.compute.training.networks" if name == "timm" else name)
    now = memory_of("self")[0]
    print(f"| {{name}} | {{now - before:.0f}} | {{now:.0f}} |")
    before = now
"""


def memory_of(process: int | str) -> tuple[float, float, float]:
    """Private, share and resident memory of a process in MB."""
    pages: dict[str, int] = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        pages[name.rstrip(":")] = int(size) * 1024
    private = pages["Private_Clean"] + pages["Private_Dirty"]
    return private / 1e6, pages["Pss"] / 1e6, pages["Rss"] / 1e6


def trials_below(driver: int) -> Iterator[int]:
    """Processes of trials that a driver has started."""
    for child in psutil.Process(driver).children(recursive=True):
        try:
            if "".join(child.cmdline()).startswith("ray::JobTrial.train"):
                yield child.pid
        except psutil.Error:
            continue


def of_a_run(checkout: Path, seconds: float, slots: int) -> Iterator[str]:
    """Rows of the table: medians over the trials of a run, in the last of ``seconds`` of training, then its driver."""
    with TemporaryDirectory() as store:
        command = [sys.executable, *STUDY, "--slots", str(slots), "--store", store]
        driver = subprocess.Popen(command, cwd=checkout, env=environment(checkout), **SILENT)
        try:
            began = 0.0
            while not began or time.monotonic() - began < seconds:
                time.sleep(0.5)
                if driver.poll() is not None:
                    raise RuntimeError(f"{' '.join(command)} ended with code {driver.returncode}")
                if not began and len(list(trials_below(driver.pid))) == slots:
                    began = time.monotonic()
            each = [memory_of(pid) for pid in trials_below(driver.pid)]
            yield _row(f"trial ({len(each)} side by side)", *(median(column) for column in zip(*each, strict=True)))
            yield _row("driver", *memory_of(driver.pid))
        finally:
            os.kill(driver.pid, signal.SIGTERM)
            driver.wait()


def _row(name: str, *values: float) -> str:
    return f"| {name} | {' | '.join(f'{value:.0f}' for value in values)} |"


def main() -> None:
    """Print the tables."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--against", type=Path, help="another checkout")
    flags.add_argument("--seconds", type=float, default=20.0, help="of training before memory is read")
    flags.add_argument("--slots", type=int, default=2)
    flags.add_argument("--imports", action="store_true", help="only what each import adds")
    given = flags.parse_args()
    for checkout in filter(None, (HERE, given.against and given.against.resolve())):
        print(f"\n{checkout}\n", flush=True)
        if given.imports:
            print("| import | adds, private MB | private MB |\n|---|---|---|", flush=True)
            code = EACH.format(here=str(HERE))
            run = [sys.executable, "-c", code, *IMPORTS]
            subprocess.run(run, cwd=checkout, env=environment(checkout), check=True)
            continue
        print("| process | private MB | share MB | resident MB |\n|---|---|---|---|", flush=True)
        for row in of_a_run(checkout, given.seconds, given.slots):
            print(row, flush=True)


if __name__ == "__main__":
    main()
