"""Multinomial logistic probes on frozen embeddings: all tasks and penalties in one matrix product per iteration.

Rows are read in blocks, so that scores of all images, classes and penalties never exist at once. A pass over n rows is
4 n (width + 1) columns operations, with a column for each class of each penalty; a fit takes about one pass for each
iteration (`Stop`). Memory beyond h: the rows on principal axes if they fit (`blocks.KEPT`), two matrices of
`blocks.BLOCK`, and about 30 of [width + 1, columns], of which 20 are the curvature pairs of limited-memory BFGS
(`HISTORY_BYTES`).

Plan for 1.28 M x 2048, 1,000 classes and 5 penalties (ImageNet-1k by ResNet-50): limited-memory BFGS on all rows, about
100 passes of 5.2e13 operations, 5.2e15 in all. At 2e13 float32 operations a second, which one data-centre GPU should
sustain in products of this shape, that is 4.4 minutes; at the 7e10 of one CPU core 21 hours. On a GPU with 24 GiB or
more free, the 9.8 GiB of rows on principal axes are kept there; with less, each pass copies h from the host. Weights
and curvature pairs take 1.3 GB, blocks .3 GB. In the host h is mapped, not read: without a GPU, the rows of a block are
standardised and rotated anew in each pass, which adds 2 n width^2 operations, a fifth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mi_ray.compute.choices import MANY_CLASSES, MANY_CLASSES_ITERATIONS, PROBE_ITERATIONS
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.blocks import CPU, Rows, rows_within, slices
from mi_ray.compute.numerics.finite import refuse_rows

HISTORY = 10
"""Most curvature pairs of limited-memory BFGS."""

HISTORY_BYTES = 2**30
"""Memory of the curvature pairs (1 GiB); at least `FEWEST` are kept whatever their size."""

FEWEST = 3
LEAST = -60.0
"""Least log probability in a gradient of several blocks: products of numbers below 1e-38 take 70 times as long."""

ARMIJO = 1e-4
HALVINGS = 6


@dataclass(frozen=True)
class Stop:
    """A problem stops after ``iterations``, or when one lowers its loss by less than the share ``tolerance``."""

    iterations: int
    tolerance: float


FEW = Stop(iterations=PROBE_ITERATIONS, tolerance=3e-4)
MANY = Stop(iterations=MANY_CLASSES_ITERATIONS, tolerance=3e-5)
"""Of up to `MANY_CLASSES` classes, and of more, which settle later."""


@dataclass(frozen=True, eq=False)
class Probes:
    """Fitted probes. ``weights``: per task [width + 1, penalties, classes] on principal ``axes``; the last row is the
    intercept."""

    axes: PrincipalAxes
    weights: tuple[Tensor, ...]

    def logits(self, h: Float[Tensor, "n width"], task: int) -> Float[Tensor, "n penalties classes"]:
        """Class scores of task number ``task`` under every penalty: h [n, width] -> [n, penalties, classes].

        NotFinite if an embedding or a score is not finite: argmax over NaN would return class 0.
        """
        return torch.cat([scores for _, scores in self.blocks(h, task)])

    def blocks(self, h: Float[Tensor, "n width"], task: int) -> Iterator[tuple[slice, Tensor]]:
        """`logits` of some rows at a time, with the slice of these rows."""
        refuse_rows("h", h)
        weights = self.weights[task]
        for rows in slices(len(h), _block(weights.flatten(1))):
            scores = torch.einsum("nd,dpc->npc", _with_intercept(self.axes(h[rows])), weights)
            refuse_rows("logits", scores, first=rows.start)
            yield rows, scores

    def predictions(self, h: Float[Tensor, "n width"], task: int) -> Int64[Tensor, "n penalties"]:
        """The class of the highest score under every penalty, on the CPU; NotFinite as `logits`."""
        return torch.cat([scores.argmax(2).cpu() for _, scores in self.blocks(h, task)])


def fit_probes(
    h: Float[Tensor, "n width"],
    labels: Sequence[Int64[Tensor, " n"]],
    n_classes: Sequence[int],
    penalties: Sequence[float],
    *,
    axes: PrincipalAxes | None = None,
    iterations: int | None = None,
    device: torch.device = CPU,
) -> Probes:
    """Minimise mean cross-entropy + penalty/2 |W|^2 for every (task, penalty) at once.

    h: [n, width]; labels: one [n] tensor per task; ``axes``: those of h, if already known, whose device then computes
    instead of ``device``. ``iterations``: by default `FEW` or `MANY` by the classes of the task. The problems share a
    matrix product but nothing else: step sizes and curvature are kept per problem (limited-memory BFGS), so a probe
    does not depend on the other problems. NotFinite if an embedding is not finite.
    """
    axes = axes or PrincipalAxes(h, device)
    rows = Rows(h, lambda part: _with_intercept(axes(part)), device=axes.device)
    problem = _Objective(rows, labels, n_classes, penalties, iterations)
    return Probes(axes, problem.split(minimise(problem)))


def _with_intercept(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


def _block(weights: Float[Tensor, "inputs columns"]) -> int:
    """Number of rows of a block whose inputs and scores [rows, columns] are both within the budget."""
    return rows_within(max(weights.shape) * weights.element_size())


class _Objective:
    """The stacked problems: columns of W ordered by task, then penalty, then class. ``x``: [n, width + 1]."""

    def __init__(
        self,
        x: Rows,
        labels: Sequence[Tensor],
        n_classes: Sequence[int],
        penalties: Sequence[float],
        iterations: int | None = None,
    ) -> None:
        self.x, self.n_classes, self.n_penalties = x, tuple(n_classes), len(penalties)
        self.n_problems = len(n_classes) * len(penalties)
        self._options: dict[str, Any] = {"dtype": x.dtype, "device": x.device}
        stops = [MANY if c > MANY_CLASSES else FEW for c in n_classes for _ in penalties]
        self.tolerance = torch.tensor([stop.tolerance for stop in stops], **self._options)
        most = [stop.iterations if iterations is None else iterations for stop in stops]
        self.iterations = torch.tensor(most, device=x.device)
        sizes = torch.tensor([c for c in n_classes for _ in penalties], device=x.device)
        self.problem_of_column = torch.arange(self.n_problems, device=x.device).repeat_interleave(sizes)
        self.penalty = torch.tensor(list(penalties), **self._options).repeat(len(n_classes))[self.problem_of_column]
        self._labels = [y.to(x.device) for y in labels]
        self._rows = _block(self.zeros())
        (squares,) = _summed((x[rows].square().sum(0),) for rows in self.blocks())
        self.preconditioner = 1 / ((squares / len(x))[:, None] / 4 + self.penalty)
        """Inverse of a bound on the curvature along each axis: [width + 1, columns]."""
        self.preconditioner[-1] = 4  # the intercept is not penalised

    def blocks(self) -> Iterator[slice]:
        """The rows, a block at a time."""
        return slices(len(self.x), self._rows)

    def zeros(self) -> Tensor:
        """Weights [width + 1, columns] of zero."""
        return torch.zeros(self.x.shape[1], len(self.problem_of_column), **self._options)

    def per_problem(self, value: float) -> Tensor:
        """``value`` for each problem."""
        return torch.full((self.n_problems,), value, **self._options)

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner product of each problem's columns: [width + 1, columns] twice -> [problems]."""
        return self.per_problem(0.0).index_add_(0, self.problem_of_column, (a * b).sum(0))

    def spread(self, values: Tensor) -> Tensor:
        """One value per problem -> one value per column."""
        return values[self.problem_of_column]

    def split(self, weights: Tensor) -> tuple[Tensor, ...]:
        """The columns of each task, as [width + 1, penalties, classes]."""
        blocks = weights.split([c * self.n_penalties for c in self.n_classes], dim=1)
        return tuple(b.reshape(len(b), self.n_penalties, c) for b, c in zip(blocks, self.n_classes, strict=True))

    def __call__(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Loss [problems] and its gradient [width + 1, columns]: one pass over the rows."""
        losses, products = _summed(self._terms(weights, rows) for rows in self.blocks())
        shrunk = weights * self.penalty
        shrunk[-1] = 0
        n = len(self.x)
        return losses / n + self.dot(shrunk, weights) / 2, products / n + shrunk

    def _terms(self, weights: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """The sums over some rows of the cross-entropy [problems] and of its gradient [width + 1, columns]."""
        x, losses = self.x[rows], []
        scores = x @ weights
        for block, labels in zip(self.split(scores), self._labels, strict=True):
            label = labels[rows, None, None].expand(-1, self.n_penalties, 1)
            log_p = block.log_softmax(dim=2)
            losses.append(-log_p.gather(2, label).squeeze(2).sum(0))
            if len(x) < len(self.x):
                log_p.clamp_(min=LEAST)
            block.copy_(log_p.exp_().scatter_add_(2, label, torch.full(label.shape, -1.0, **self._options)))
        return torch.cat(losses), x.T @ scores


def _summed(terms: Iterator[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The sum of each member of the tuples; the first tuple is written to."""
    totals = next(terms)
    for term in terms:
        for total, value in zip(totals, term, strict=True):
            total += value
    return totals


def minimise(objective: _Objective) -> Tensor:
    """The weights [width + 1, columns] that minimise the losses, by limited-memory BFGS until each `Stop`."""
    weights = objective.zeros()
    history = max(FEWEST, min(HISTORY, HISTORY_BYTES // (2 * weights.nbytes)))
    loss, gradient = objective(weights)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    active = objective.iterations > 0
    for iteration in range(1, int(objective.iterations.max()) + 1):
        direction = _direction(objective, gradient, pairs) * objective.spread(active)
        moved, new_loss, new_gradient = _line_search(objective, weights, loss, gradient, direction)
        step, change = moved - weights, new_gradient - gradient
        curvature = objective.dot(step, change)
        inverse = torch.where(curvature > 1e-12, 1 / curvature.clamp(min=1e-12), 0.0)
        pairs = [*pairs[-history + 1 :], (step, change, inverse)]
        active &= (loss - new_loss > objective.tolerance * loss) & (iteration < objective.iterations)
        weights, loss, gradient = moved, new_loss, new_gradient
        if not active.any():
            break
    return weights


def _direction(objective: _Objective, gradient: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """The L-BFGS search direction by the two-loop recursion, with inner products per problem."""
    q, alphas = gradient.clone(), []
    for step, change, inverse in reversed(pairs):
        alpha = inverse * objective.dot(step, q)
        q -= objective.spread(alpha) * change
        alphas.append(alpha)
    scale = objective.per_problem(1.0)
    if pairs:
        _, change, inverse = pairs[-1]
        size = objective.dot(change, objective.preconditioner * change)
        scale = torch.where(inverse > 0, 1 / (inverse * size).clamp(min=1e-12), 1.0)
    q *= objective.preconditioner * objective.spread(scale)
    for (step, change, inverse), alpha in zip(pairs, reversed(alphas), strict=True):
        q += objective.spread(alpha - inverse * objective.dot(change, q)) * step
    return -q


def _line_search(
    objective: _Objective, weights: Tensor, loss: Tensor, gradient: Tensor, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Halve each problem's step until its loss falls enough (Armijo); the weights of a problem that cannot improve stay
    the same."""
    slope = objective.dot(gradient, direction)
    slack = 1e-6 * loss
    size = torch.ones_like(loss)
    for _ in range(HALVINGS):
        moved = weights + objective.spread(size) * direction
        new_loss, new_gradient = objective(moved)
        worse = new_loss > loss + ARMIJO * size * slope + slack
        if not worse.any():
            return moved, new_loss, new_gradient
        size = torch.where(worse, size / 2, size)
    size = torch.where(worse, 0.0, size)
    moved = weights + objective.spread(size) * direction
    return moved, *objective(moved)
