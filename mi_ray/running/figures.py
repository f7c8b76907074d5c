"""The figures of a study: find the function that draws them, call it when all is computed, say where they are."""

from __future__ import annotations

import ast
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from mi_ray.bundled import folder as bundled_folder
from mi_ray.bundled import make_importable
from mi_ray.experiments.declare.checks import Refused, error_line
from mi_ray.experiments.plan.study import Draw, Study
from mi_ray.running.order import Order

QUESTION = "question.txt"
"""File in the folder of a study's figures: the first line of its docstring, which the report prints."""

COMMAND = "command.txt"
"""File beside it: the command that computed and drew the study."""

VERDICT_FILE = "verdict.json"
"""A drawn file with the key ``sentence``: what the study found."""

VERDICT = "verdict"
"""Label of the line of a summary that is printed first: what the study found."""

PAIRS = "analysis.pictures.pairs:draw_plan"
"""The function that draws images and positive pairs of a plan, which every study gets beside its own figures."""

OURS = "analysis."
"""Beginning of the names of modules that come with mi-ray."""

FUNCTION = "a function draw(plan, tracking_uri, out, *, partial), or the text 'module:function' that names one"


@dataclass(frozen=True)
class Drawn:
    """The files that were drawn; ``failure`` says in one line why drawing failed, empty if it did not."""

    files: tuple[Path, ...] = ()
    failure: str = ""


def refuse_unknown_draw(study: Study) -> None:
    """Refuse a ``draw`` that cannot be called. Without mlflow no figure is drawn, and ours cannot be imported."""
    if isinstance(study.draw, str) and study.draw.startswith(OURS):
        _refuse_absent(study.draw)
    elif find_spec("mlflow") is not None or not isinstance(study.draw, str):
        draw_function(study)


def _refuse_absent(name: str) -> None:
    """Refuse the name of a function that no analysis of ours defines; reads its file, whose import takes seconds."""
    make_importable()
    module, _, function = name.partition(":")
    try:
        spec = find_spec(module)
    except ImportError:
        spec = None
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    if function not in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}:
        fault = f"{module} has no attribute {function!r}" if source else f"No module named {module!r}"
        raise Refused(f"draw: {name!r} is not allowed; allowed: {FUNCTION} ({fault})")


def draw_function(study: Study) -> Draw | None:
    """The function that draws the figures of a study, None if it has none; `Refused` if it cannot be called."""
    if study.draw == "":
        return None
    try:
        function = imported(study.draw) if isinstance(study.draw, str) else study.draw
        signature(function).bind(None, "", Path(), partial=True)
    except (Exception, SystemExit) as error:  # the user's module may raise anything while it is imported
        reason = f"{type(error).__name__}: {error}"
        raise Refused(f"draw: {study.draw!r} is not allowed; allowed: {FUNCTION} ({reason})") from error
    return function


def imported(name: str) -> Any:
    """The object called ``module:name``."""
    make_importable()
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def command_of(order: Order) -> str:
    """The command of an order, as a shell takes it; a study of the user's own is named by its file."""
    options, file = order.options, getattr(sys.modules[order.study.trial.__module__], "__file__", None)
    is_ours = file is None or Path(file).resolve().parent == bundled_folder() / "sweeps"
    study = order.study.name if is_ours else str(file)
    axes = [
        flag
        for name, values in options.axes.items()
        for flag in ("--axis", f"{name}={','.join(map(axis_text, values))}")
    ]
    only = ["--only", options.only] if options.only else []
    return shlex.join(["mi-ray", "run", study, "--preset", options.preset, *axes, *only])


def axis_text(value: Any) -> str:
    """A value of an axis as ``--axis`` takes it."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(axis_text, value))}]"
    return "null" if value is None else str(value)


def draw_figures(order: Order, tracking_uri: str, sweep: str) -> Drawn:
    """Draw the whole plan: figures hatch the cells that ``--only`` left out.

    A function that raises, or a folder that cannot be written, must not lose the end of a run: its failure becomes one
    line. Only MLflow's own failures, `Unreachable`, are raised.
    """
    from mi_ray.tracking.reach import Unreachable

    drawing = order.study.draw
    name = drawing if isinstance(drawing, str) else getattr(drawing, "__name__", repr(drawing))
    out = order.store.root / "figures" / sweep
    try:
        draw = draw_function(order.study)
        if draw is None:
            return Drawn()
        out.mkdir(parents=True, exist_ok=True)
        (out.parent / QUESTION).write_text(order.study.docstring.partition("\n")[0] + "\n", encoding="utf-8")
        (out / COMMAND).write_text(command_of(order) + "\n", encoding="utf-8")
        given: object = draw(order.whole, tracking_uri, out, partial=True)
        is_list = isinstance(given, Iterable) and not isinstance(given, str | bytes | Path)
        listed = list(given) if is_list else []  # type: ignore[call-overload]
    except Unreachable:
        raise
    except (Exception, SystemExit) as error:
        return Drawn(failure=f"{name} failed: {error_line(error)}")
    if not is_list:
        return Drawn(failure=f"{name} returned {given!r}; allowed: a list of paths, of the files that it wrote")
    absent = [str(file) for file in listed if not isinstance(file, str | Path) or not Path(file).is_file()]
    if absent:
        return Drawn(failure=f"{name} did not write {', '.join(absent)}")
    pairs = draw_pairs(order, out)
    return Drawn((*map(Path, listed), *pairs.files), pairs.failure)


def draw_pairs(order: Order, out: Path) -> Drawn:
    """Images and positive pairs as the trainings of the whole plan see them; a failure is one line."""
    try:
        return Drawn(tuple(imported(PAIRS)(order.whole, order.store, out)))
    except Exception as error:  # a pairing or images of the user's own
        return Drawn(failure=f"positive pairs failed: {error_line(error)}")
