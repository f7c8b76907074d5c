"""Plans of the InfoMin sweep, and a store of their cells with made-up numbers, without images and trainings."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

from mi_ray.experiments.declare.identity import story
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.store.files import MANIFEST, append_line, sha256, write_json
from mi_ray.experiments.store.manifest import sealed_text
from mi_ray.experiments.store.store import CommittedCell, Store
from mi_ray.theory.tasks import Task
from sweeps.infomin_grid import STUDY

DIGEST = "d" * 64
WHY = "test images are not untouched: 3 in train; the critic is overfitted"
Result = Callable[[Cell], dict[str, Any]]
TINY = {"pairing": ("color", "all"), "task": ("color", "all")}


def plan_of(**axes: tuple[Any, ...]) -> Plan:
    """The sweep's smoke plan for two pairings and two tasks, with some axes overridden: ten cells if none is."""
    return build(STUDY.questions(STUDY.grid("smoke", TINY | axes)), lambda data: DIGEST)


def made_up(cell: Cell) -> float:
    """A number in 0..1 that depends only on the cell's key."""
    return zlib.crc32(cell.key.encode()) / 2**32


def result_of(cell: Cell) -> dict[str, Any]:
    """A made-up result with the fields of the cell's kind."""
    number = made_up(cell)
    if cell.kind == "training":
        values = {"in_training_bits": number, "in_training_bound_bits": 6.98, "loss_nats": 4 - number, "steps": 15}
        return values | {"not_learned": ""}
    if cell.kind == "embedding":
        return {"width": 512, "images": 4096, "not_learned": ""}
    if cell.kind == "evaluation":
        plain = {"linear_accuracy": 0.9 * number, "linear_standard_error": number / 40}
        balanced = {"linear_balanced_accuracy": number, "linear_balanced_standard_error": number / 50}
        return plain | balanced | {"linear_penalty": 0.01}
    if cell.kind == "knn":
        return {"knn_balanced_accuracy": number, "knn_balanced_accuracy_standard_error": number / 50}
    if cell.kind == "quality":
        losses = {f"{name}_nats": 3 - number for name in ("h_loss", "bao_lower", "bao_upper", "mean_classifier_loss")}
        return {"rank_me": 10 * number, "h_loss_standard_error_nats": number / 50, "negatives": 63} | losses
    return estimate(number, Task(cell.parameters["task"]).entropy_bits)


def estimate(number: float, entropy_bits: float) -> dict[str, Any]:
    """The result of an estimation: every reading is ``number`` times H(C), certified if ``number`` is above a half."""
    readings = ("nominal", "strict", "nwj", "probe", "confusion")
    values = {f"{reading}_bits": number * entropy_bits for reading in readings}
    values |= {f"{reading}_standard_error_bits": number / 20 for reading in readings}
    values |= {"lower_bits": number * entropy_bits - number / 10, "upper_bits": entropy_bits, "lower_from": "probe"}
    values |= {"train_bits": number, "validation_bits": number, "critic_temperature": 0.1, "critic_steps": 100}
    values |= {"certified": number > 0.5, "not_certified": "" if number > 0.5 else WHY, "note": ""}
    return values | {"class_entropy_bits": entropy_bits, "critics": [{"nominal_bits": number, "steps": 100}]}


def numbers_of(cell: Cell) -> dict[str, float]:
    """The values of a cell's result that can be metrics."""
    return {name: value for name, value in result_of(cell).items() if type(value) in (int, float)}


def history_of(cell: Cell) -> list[dict[str, float]]:
    """A curve of three reports, for the kinds that keep one."""
    if cell.kind not in ("training", "estimation"):
        return []
    name = {"training": "in_training_bits", "estimation": "critic_validation_bits"}[cell.kind]
    return [{"step": step, name: made_up(cell) * step / 3} for step in (1, 2, 3)]


def commit(cell: Cell, store: Store, result: Result = result_of) -> CommittedCell:
    """Commit one cell with its made-up numbers."""
    attempt = store.attempt(cell.key)
    write_json(attempt.payload / "result.json", result(cell))
    write_json(attempt.payload / "declaration.json", story(cell.declaration))
    for record in history_of(cell):
        append_line(attempt.payload / "history.jsonl", record)
    return attempt.publish(_manifest(cell))


def commit_all(cells: Iterable[Cell], store: Store, result: Result = result_of) -> None:
    """Commit the cells that the store lacks."""
    store.prepare()
    for cell in cells:
        if not store.has(cell.key):
            commit(cell, store, result)


def rewrite(committed: CommittedCell, **texts: str) -> None:
    """Let a committed cell hold other texts, by the names of its files without endings, as if it had found them."""
    files = {path.stem: path for path in committed.path.iterdir()}
    for name, text in texts.items():
        files[name].write_text(text)
    manifest = dict(committed.manifest)
    for name in manifest["files"]:
        manifest["files"][name] = sha256(committed.path / name)
        manifest["sizes"][name] = (committed.path / name).stat().st_size
    (committed.path / MANIFEST).write_text(sealed_text(manifest))


def _manifest(cell: Cell) -> dict[str, Any]:
    started = 1_700_000_000.25 + 1000 * made_up(cell)
    return {
        "kind": cell.kind,
        "protocol": 1,
        "upstream": cell.upstream,
        "data_digest": cell.data_digest,
        "code_version": "0123456789ab",
        "hardware": "a machine",
        "host": "here",
        "precision": "float32",
        "version_torch": "2",
        "seconds": 1.5,
        "work": 10**9,
        "started_at": started,
        "committed_at": started + 1.5,
    }
