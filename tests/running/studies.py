"""Studies that cost nothing to plan and little to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mi_ray.experiments.declare import CDP, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.plan.study import Matrix, Study
from mi_ray.experiments.store.store import Store
from mi_ray.running.order import Options, Order, order_of


def trial(*, pairing: str = "color", seed: int = 0) -> tuple[LinearEvaluation, ...]:
    data = CDP(train_images=1024, validation_images=1024, test_images=1024)
    training = Training(data=data, pairing=SameClass(task=pairing), arch="test_resnet", views=512, seed=seed)
    return (LinearEvaluation(embedding=Embedding(encoder=training), task="color"),)


SMALL = Study(
    name="small",
    trial=trial,
    axes={"pairing": ("color", "digit"), "seed": (0,)},
    presets={"all": {}, "one": {"pairing": ("color",)}},
    default_preset="all",
    matrix=Matrix(row="task", column="pairing", panels={"evaluation": "linear_accuracy"}),
)

OPTIONS = Options(
    preset="all", axes={}, only=None, dry_run=False, on="here", address=None, workers=1, gpus=None, loaders=None,
    store="runs", tracking_uri=None,
)  # fmt: skip


def order_in(folder: Path, study: Study = SMALL, **options: Any) -> Order:
    """The order of a study's command."""
    chosen = replace(OPTIONS, **options)
    return order_of(study, study.grid(chosen.preset, chosen.axes), chosen, Store(folder))


def drawn_by(draw: Callable[..., Any] | str) -> Study:
    """The study with a function that draws it."""
    return replace(SMALL, draw=draw)
