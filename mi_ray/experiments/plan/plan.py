"""The plan: the graph of all cells that a study needs, each once, and the jobs that compute the missing ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

from mi_ray.experiments.declare import TAKEN, Data, Declaration, OwnImages, Question, data_of, refuse_faults, upstream
from mi_ray.experiments.declare.identity import canonical, cell_key, own_fields
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.declare.parameters import parameters
from mi_ray.experiments.plan.sheets import Words, distinct_names, text_of
from mi_ray.experiments.store.store import Store

CountsOf = Callable[[Data], Counts | None]
"""What images hold; None while only their declaration tells."""

UNPREPARED = "unprepared"
"""Placeholder digest of images that are not prepared yet; cells with it can be listed, but not computed."""


@dataclass(frozen=True)
class Cell:
    """One encoder, embedding or question: its key, its declaration, and the key of the upstream cell that it needs.

    ``counts``: what its images hold, None while only the declaration tells; it enters predictions and no key.
    """

    key: str
    declaration: Declaration
    upstream: str | None
    data_digest: str
    counts: Counts | None = None

    @property
    def kind(self) -> str:
        """training, checkpoint, embedding, views, estimation, evaluation, geometry, knn or quality."""
        return self.declaration.kind

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The declaration as flat names and values; trainings and questions use the same names."""
        return parameters(self.declaration)


@dataclass(frozen=True)
class Job:
    """The cells that one trial computes together: all linear evaluations of an encoder, or a single cell of another
    kind. They share ``needs``, the key of the cell that must be committed first."""

    cells: tuple[Cell, ...]

    @property
    def needs(self) -> str | None:
        return self.cells[0].upstream

    @property
    def kind(self) -> str:
        return self.cells[0].kind

    @property
    def key(self) -> str:
        """The key of the job, which is that of its first cell."""
        return self.cells[0].key


@dataclass(frozen=True)
class Plan:
    """All cells of a study by key; each comes after its upstream cell. ``made_with``: preset and axes, for captions."""

    cells: Mapping[str, Cell]
    made_with: str = field(default="", compare=False)

    @cached_property
    def _names(self) -> dict[str, Words]:
        return distinct_names(self.cells.values())

    def name(self, cell: Cell) -> str:
        """A name for people that is unique in this plan: the cell's kind, and the parameters that differ between cells
        of that kind."""
        return " ".join(filter(None, [cell.kind, text_of(self._names[cell.key])]))

    def job_name(self, job: Job) -> str:
        """The name of a job: the parameters in its cells' names, each with the values of all its cells."""
        words = [self._names[cell.key] for cell in job.cells]
        names = dict.fromkeys(name for words_of_cell in words for name in words_of_cell)
        together = {name: ",".join(dict.fromkeys(w[name] for w in words if name in w)) for name in names}
        return " ".join(filter(None, [job.kind, text_of(together)]))

    def only(self, pattern: str) -> Plan:
        """The plan of the cells whose names match a shell pattern, or hold a text that is no name itself, with all
        their upstream cells."""
        kept: set[str] = set()
        if not set(pattern) & set("*?[") and pattern not in map(self.name, self.cells.values()):
            pattern = f"*{pattern}*"
        for cell in self.cells.values():
            key = cell.key if fnmatchcase(self.name(cell), pattern) else None
            while key is not None:
                kept.add(key)
                key = self.cells[key].upstream
        return replace(self, cells={key: cell for key, cell in self.cells.items() if key in kept})

    def downstream(self, key: str) -> list[Cell]:
        """The cells that need the cell ``key``, directly or through other cells."""
        direct = [cell for cell in self.cells.values() if cell.upstream == key]
        return direct + [below for cell in direct for below in self.downstream(cell.key)]

    def missing_jobs(self, store: Store) -> list[Job]:
        """Jobs for every cell that the store does not hold."""
        held = store.committed(self.cells)
        return group(cell for cell in self.cells.values() if cell.key not in held)


def uncounted(data: Data) -> None:
    """Counts of images that nobody has counted."""


def build(
    questions: Iterable[Question], digest_of: Callable[[Data], str | None], counts_of: CountsOf = uncounted
) -> Plan:
    """The plan of ``questions``: every question with its embedding and encoder, each cell once.

    ``digest_of``: the digest of images, None if they are not prepared; their declaration then enters the cell keys.
    ``counts_of``: what images hold, None if only their declaration tells.
    """
    cells: dict[str, Cell] = {}
    listed = list(questions)
    refuse_faults(listed, TAKEN)
    for question in listed:
        data = data_of(question)
        digest = digest_of(data) or UNPREPARED
        content = f"{digest} {_named(data)}{canonical(own_fields(data))}" if digest == UNPREPARED else digest
        for declaration in line(question):
            key = cell_key(declaration, content)
            above = upstream(declaration)
            needed = cell_key(above, content) if above else None
            cells.setdefault(key, Cell(key, declaration, needed, digest, counts_of(data)))
    return Plan(cells)


def _named(data: Data) -> str:
    """The class of a user's own images, which may have the fields of another; of ours no two classes do."""
    return f"{type(data).__name__} " if isinstance(data, OwnImages) else ""


def line(declaration: Declaration) -> list[Declaration]:
    """What is computed for a declaration, from the encoder down to it."""
    above = upstream(declaration)
    return [*(line(above) if above else []), declaration]


def group(cells: Iterable[Cell]) -> list[Job]:
    """The jobs of ``cells``: one per cell, except that all linear evaluations of an encoder share one, since their
    probes are fitted together."""
    together: dict[tuple[str | None, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        company = cell.declaration.company
        together[cell.upstream, f"{cell.kind} {company}" if company else cell.key].append(cell)
    return [Job(tuple(members)) for members in together.values()]
