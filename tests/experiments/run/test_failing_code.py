"""Code of a user's own that fails in a job costs that job alone, and is told in one line."""

import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from mi_ray.experiments.declare import Embedding, Training
from mi_ray.experiments.plan.plan import build, group
from mi_ray.experiments.run import job, serial
from mi_ray.experiments.store.store import Store
from tests.own import Dim, Length, Ramps


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), RuntimeError("two\nlines")])
def test_a_job_whose_own_code_fails_is_told_in_one_line_with_its_place(error, monkeypatch, tmp_path):
    def failing(*_, **__):
        raise error

    monkeypatch.setattr(job, "compute", failing)
    cells = build([Length(embedding=Embedding(encoder=Training(data=Ramps(), pairing=Dim(), arch="resnet10t")))], str)
    reasons = []
    listener = SimpleNamespace(started=print, failed=lambda job, reason: reasons.append(reason), tick=int)
    serial.run_here(group(cells.cells.values()), defaultdict(str), Store(tmp_path), listener)
    place = rf"\({re.escape(Path(__file__).name)}:\d+\)"
    assert len(reasons) == 1
    assert re.fullmatch(rf"{type(error).__name__}: [^\n]* {place}", reasons[0])
