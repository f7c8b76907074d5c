"""A study of 131,689 photographs, end to end from the command line, in 5 GB of memory; `make scale-test` makes them.

The same study of a tenth of the photographs shows what grows with their number. Peaks are sampled once a second as
proportional set size, of the driver, Ray, MLflow and all workers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from benchmarks.photographs import TEST, TRAIN, counts
from mi_ray.experiments.store.store import Store
from tests.scale.memory import MARK, Peaks, watched

ROOT = Path(__file__).parents[2]
GB, MB = 10**9, 10**6
SIZES = ("tenth", "all")
OBJECTIVES, ARCH, VIEWS = ("simclr",), "test_vit", 6_400
CELLS = {"training": 1, "embedding": 1, "evaluation": 1, "estimation": 1}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]


@dataclass(frozen=True)
class Ran:
    """A study that has run: its exit code, its output, its store, its seconds and its peaks of memory."""

    code: int
    err: str
    store: Path
    seconds: float
    peaks: Peaks


def study(photographs: Path, store: Path, log: Path) -> Ran:
    """`sweeps/objectives.py` at side 224 with a small encoder, few views and few steps of the critics."""
    axes = {
        "data": "imagenet-100", "root": photographs, "class_list": photographs / "wnids.txt", "side": 224,
        "objective": ",".join(OBJECTIVES), "arch": ARCH, "seed": 0, "views": VIEWS, "critic_steps": 20,
    }  # fmt: skip
    flags = [flag for name, value in axes.items() for flag in ("--axis", f"{name}={value}")]
    command = [sys.executable, str(ROOT / "sweeps" / "objectives.py"), *flags, "--store", str(store)]
    started = time.monotonic()
    with watched(str(store)) as peaks, log.open("w") as out:
        ran = subprocess.run(
            command, env=os.environ | {MARK: str(store)}, stdout=out, stderr=subprocess.PIPE, text=True
        )
    return Ran(ran.returncode, ran.stderr, store, time.monotonic() - started, peaks)


@pytest.fixture(scope="module")
def studies() -> dict[str, Ran]:
    """The study of a tenth of the photographs and that of all; their peaks are kept beside the photographs."""
    scale = Path(os.environ["SCALE"])
    ran = {}
    for size in SIZES:
        shutil.rmtree(scale / f"runs-{size}", ignore_errors=True)
        ran[size] = study(scale / size, scale / f"runs-{size}", scale / f"{size}.log")
        told = {"seconds": ran[size].seconds, "code": ran[size].code, **asdict(ran[size].peaks)}
        (scale / f"peaks-{size}.json").write_text(json.dumps(told, indent=1))
        _, largest = ran[size].peaks.largest
        print(f"\n{size}: {told['seconds']:.0f} s, tree {told['tree'] / GB:.2f} GB, largest {largest / GB:.2f} GB")
    return ran


@pytest.fixture(scope="module", params=SIZES)
def ran(request: pytest.FixtureRequest, studies: dict[str, Ran]) -> Ran:
    """One of both studies."""
    return studies[request.param]


def test_the_study_runs_to_its_end(ran):
    assert ran.code == 0, ran.err[-3000:]
    kinds = [Store(ran.store).read(path.name).manifest["kind"] for path in Store(ran.store).cells.iterdir()]
    assert {kind: kinds.count(kind) for kind in CELLS} == CELLS


def test_every_photograph_is_embedded(studies):
    for size, images in zip(SIZES, (sum(map(sum, counts(13_000).values())), TRAIN + TEST), strict=True):
        cells = [Store(studies[size].store).read(path.name) for path in Store(studies[size].store).cells.iterdir()]
        embedded = [cell.result["images"] for cell in cells if cell.manifest["kind"] == "embedding"]
        assert embedded == [images] * len(OBJECTIVES)


def test_the_tree_of_processes_stays_under_5_gb(ran):
    assert ran.peaks.samples > 20
    assert ran.peaks.tree < 5 * GB, sorted(ran.peaks.at_peak.items(), key=lambda item: -item[1])[:12]


def test_ten_times_the_photographs_take_no_process_200_mb_more(studies):
    tenth, whole = (studies[size].peaks for size in SIZES)
    assert whole.largest[1] - tenth.largest[1] < 200 * MB, whole.largest
    grown = {role: size - tenth.by_role().get(role, size) for role, size in whole.by_role().items()}
    assert max(grown.values()) < 200 * MB, grown
