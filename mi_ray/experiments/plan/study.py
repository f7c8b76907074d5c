"""A study: one claim of the paper, as a function from axis values to questions and a grid of axis values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_type_hints

from mi_ray.experiments.declare import Question
from mi_ray.experiments.declare.checks import Refused, error_line, one_of, refuse
from mi_ray.experiments.declare.measures import Measure, measure_named
from mi_ray.experiments.plan.axis_values import Axis, axes_of
from mi_ray.experiments.plan.power import Power
from mi_ray.experiments.plan.search import Search

if TYPE_CHECKING:
    from pathlib import Path

    from mi_ray.experiments.plan.plan import Plan

T = TypeVar("T")
Axes = Mapping[str, Sequence[Any]]
Trial = Callable[..., Any]
"""A function of axis values that returns a sequence of questions or, in a study that searches, a `Search`."""


class Draw(Protocol):
    """A function that draws the figures of a study: it reads the cells of ``plan`` from MLflow, writes files to the
    folder ``out`` and returns their paths. ``partial``: whether to mark missing cells as missing instead of raising."""

    def __call__(self, plan: Plan, tracking_uri: str, out: Path, *, partial: bool) -> Sequence[Path]: ...


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The matrices that the screen shows, one per kind of cell: rows are values of the parameter ``row``, columns those
    of the parameter ``column``. ``panels``: kind of cell -> the measure that its matrix shows, or the measure's name.
    """

    row: str
    column: str
    panels: Mapping[str, Measure | str]

    @property
    def measures(self) -> dict[str, Measure]:
        """Kind of cell -> the measure that its matrix shows."""
        return {kind: measure_named(shown) if isinstance(shown, str) else shown for kind, shown in self.panels.items()}


@dataclass(frozen=True, kw_only=True)
class Study:
    """``trial`` maps axis values to questions, or to a `Search` if that is its return type. Every preset sweeps
    ``axes``, whose values ``presets`` override.

    Any parameter of ``trial`` can be an axis; a parameter that is never named keeps its default. ``draw`` draws the
    figures: a function, or the text ``module:function``, which is imported when the study is launched; if it is empty,
    no figure is drawn. ``analysis="name"`` is an older form of ``draw="analysis.NAME:draw"``. ``power``: what the
    replicates of a grid can tell, for dry runs. `Refused` if a parameter has no type hint, or one that `axes_of` does
    not support.
    """

    name: str
    trial: Trial
    axes: Axes
    presets: Mapping[str, Axes]
    default_preset: str
    matrix: Matrix
    draw: Draw | str = ""
    power: Sequence[Power] = ()
    analysis: InitVar[str] = ""
    types: Mapping[str, Axis] = field(init=False)
    searches: bool = field(init=False)

    def __post_init__(self, analysis: str) -> None:
        if analysis and not self.draw:
            object.__setattr__(self, "draw", f"analysis.{analysis}:draw")
        object.__setattr__(self, "types", axes_of(self.trial))
        object.__setattr__(self, "searches", get_type_hints(self.trial).get("return") is Search)

    @property
    def docstring(self) -> str:
        """The docstring of the module that defines ``trial``: its first line is the question that the study asks."""
        return sys.modules[self.trial.__module__].__doc__ or self.name

    def grid(self, preset: str, overrides: Axes) -> dict[str, tuple[Any, ...]]:
        """The axis values of a preset with ``overrides``; `Refused` if a name is unknown, an axis has no value, or a
        value has the wrong type or is repeated."""
        one_of("preset", preset, list(self.presets))
        grid = {name: tuple(values) for name, values in {**self.axes, **self.presets[preset], **overrides}.items()}
        for name, values in grid.items():
            one_of("axis", name, list(self.types))
            for value in values:
                self.types[name].check(value)
            if not values or any(value in values[:place] for place, value in enumerate(values)):
                raise refuse(f"axis {name}", ",".join(map(str, values)), "one or more values, each once")
        return grid

    def questions(self, grid: Axes) -> Iterator[Question]:
        """The questions of every combination of values in the grid; the last axis varies fastest."""
        for values in product(*grid.values()):
            yield from self._asked(dict(zip(grid, values, strict=True)), _questions, "questions")

    def search(self, grid: Axes) -> Search:
        """The search of a grid; `Refused` if an axis has several values."""
        for name, values in grid.items():
            if len(values) > 1:
                raise refuse(f"axis {name}", ",".join(map(str, values)), "one value in a search")
        return self._asked({name: value for name, (value,) in grid.items()}, _search, "a Search")

    def _asked(self, values: Mapping[str, Any], read: Callable[[Any], T], allowed: str) -> T:
        """What the trial gives for axis values, through ``read``; `Refused` in one line whatever it raises."""
        try:
            return read(self.trial(**values))
        except Refused:
            raise
        except (Exception, SystemExit) as error:  # the trial is a user's own code
            shown = " ".join(f"{name}={value}" for name, value in values.items())
            raise Refused(f"trial: {error_line(error)} for {shown or 'its defaults'}; allowed: {allowed}") from error

    def parse_axis(self, text: str) -> tuple[str, tuple[Any, ...]]:
        """The name and the values in ``NAME=V1,V2``, read by the type hint of that parameter of the trial."""
        name, separator, values = text.partition("=")
        if not separator:
            raise refuse("axis", text, "NAME=VALUE[,VALUE...]")
        one_of("axis", name, list(self.types))
        return name, self.types[name].parse(values)


def _questions(given: Any) -> list[Question]:
    questions = list(given)
    for question in questions:
        if not isinstance(question, Question):
            raise refuse("trial", type(question).__name__, "a function that returns questions")
    return questions


def _search(given: Any) -> Search:
    if not isinstance(given, Search):
        raise refuse("trial", type(given).__name__, "a function that returns a Search")
    given.refuse_unclear_objectives()
    return given


def parse_axes(study: Study, texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """The axes that all ``--axis`` flags give; `Refused` if a name is given twice."""
    axes: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, values = study.parse_axis(text)
        if name in axes:
            raise Refused(f"axis: {name!r} is given twice; allowed: once, with all its values")
        axes[name] = values
    return axes
