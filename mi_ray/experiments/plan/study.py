"""A study: one claim of the paper as a function from axis values to questions, and the grid of values to ask for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from mi_ray.experiments.declare import Question
from mi_ray.experiments.declare.checks import Refused, one_of, refuse
from mi_ray.experiments.declare.measures import Measure, measure_named
from mi_ray.experiments.plan.axis_values import Axis, axes_of
from mi_ray.experiments.plan.search import Search

if TYPE_CHECKING:
    from pathlib import Path

    from mi_ray.experiments.plan.plan import Plan

Axes = Mapping[str, Sequence[Any]]
Trial = Callable[..., Any]
"""Gives a sequence of questions or, in a study that searches, a `Search`."""


class Draw(Protocol):
    """Draws the figures of a study: reads the cells of ``plan`` from MLflow, writes files to the folder ``out``.

    Returns the files. ``partial``: show missing cells as such instead of refusing.
    """

    def __call__(self, plan: Plan, tracking_uri: str, out: Path, *, partial: bool) -> Sequence[Path]: ...


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The matrices that the screen fills in: parameter ``row`` down, parameter ``column`` across, one per kind of cell.

    ``panels``: kind of cell -> the measure of its result that is shown, or the name of one.
    """

    row: str
    column: str
    panels: Mapping[str, Measure | str]

    @property
    def measures(self) -> dict[str, Measure]:
        """Kind of cell -> the measure that is shown."""
        return {kind: measure_named(shown) if isinstance(shown, str) else shown for kind, shown in self.panels.items()}


@dataclass(frozen=True, kw_only=True)
class Study:
    """``trial`` maps axis values to questions, or to a `Search` where its signature says so; ``axes`` are swept by
    every preset, ``presets`` override them.

    Any parameter of ``trial`` can be an axis; those never named keep their default. ``draw`` draws the figures: a
    function, or the text ``module:function``, imported when the study is launched; empty, no figure is drawn.
    ``analysis="name"``, as studies wrote before, is ``draw="analysis.NAME:draw"``. Refused if a parameter has no type
    hint, or one that no text can be read by (`axes_of`).
    """

    name: str
    trial: Trial
    axes: Axes
    presets: Mapping[str, Axes]
    default_preset: str
    matrix: Matrix
    draw: Draw | str = ""
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
        """Axis values of a preset with some overridden; refuses unknown names, empty or repeated values."""
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
        """Every question of the grid, axis by axis."""
        for values in product(*grid.values()):
            yield from self.trial(**dict(zip(grid, values, strict=True)))

    def search(self, grid: Axes) -> Search:
        """The search of a grid with one value for every axis; refuses several."""
        for name, values in grid.items():
            if len(values) > 1:
                raise refuse(f"axis {name}", ",".join(map(str, values)), "one value in a search")
        return self.trial(**{name: value for name, (value,) in grid.items()})

    def parse_axis(self, text: str) -> tuple[str, tuple[Any, ...]]:
        """``NAME=V1,V2`` as a name and values by the type hint that the trial function gives that axis."""
        name, separator, values = text.partition("=")
        if not separator:
            raise refuse("axis", text, "NAME=VALUE[,VALUE...]")
        one_of("axis", name, list(self.types))
        return name, self.types[name].parse(values)


def parse_axes(study: Study, texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """All ``--axis`` flags; a name given twice is refused."""
    axes: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, values = study.parse_axis(text)
        if name in axes:
            raise Refused(f"axis: {name!r} is given twice; allowed: once, with all its values")
        axes[name] = values
    return axes
