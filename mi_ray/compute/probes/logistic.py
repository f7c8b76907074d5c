"""Multinomial logistic probes on frozen embeddings: all tasks and penalties in one matrix product per iteration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.finite import refuse_rows

HISTORY = 10
ARMIJO = 1e-4
HALVINGS = 6
TOLERANCE = 3e-4
"""A problem stops when an iteration lowers its loss by less than this share."""


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
        scores = torch.einsum("nd,dpc->npc", _with_intercept(self.axes(h)), self.weights[task])
        refuse_rows("logits", scores)
        return scores


def fit_probes(
    h: Float[Tensor, "n width"],
    labels: Sequence[Int64[Tensor, " n"]],
    n_classes: Sequence[int],
    penalties: Sequence[float],
    *,
    axes: PrincipalAxes | None = None,
    iterations: int = 40,
) -> Probes:
    """Minimise mean cross-entropy + penalty/2 |W|^2 for every (task, penalty) at once.

    h: [n, width]; labels: one [n] tensor per task; ``axes``: those of h, if already known. The problems share a matrix
    product but nothing else: step sizes and curvature are kept per problem (limited-memory BFGS), so a probe does not
    depend on the other problems. NotFinite if an embedding is not finite.
    """
    axes = axes or PrincipalAxes(h)
    problem = _Objective(_with_intercept(axes(h)), labels, n_classes, penalties)
    return Probes(axes, problem.split(minimise(problem, iterations)))


def _with_intercept(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


class _Objective:
    """The stacked problems: columns of W ordered by task, then penalty, then class."""

    def __init__(
        self, x: Tensor, labels: Sequence[Tensor], n_classes: Sequence[int], penalties: Sequence[float]
    ) -> None:
        self.x, self.n_classes, self.n_penalties = x, tuple(n_classes), len(penalties)
        self.n_problems = len(n_classes) * len(penalties)
        sizes = torch.tensor([c for c in n_classes for _ in penalties])
        self.problem_of_column = torch.arange(self.n_problems).repeat_interleave(sizes)
        self.penalty = torch.tensor(list(penalties), dtype=x.dtype).repeat(len(n_classes))[self.problem_of_column]
        self.preconditioner = 1 / (x.square().mean(0)[:, None] / 4 + self.penalty)
        """Inverse of a bound on the curvature along each axis: [width + 1, columns]."""
        self.preconditioner[-1] = 4  # the intercept is not penalised
        self._targets = [one_hot(y, c).to(x.dtype)[:, None] for y, c in zip(labels, n_classes, strict=True)]

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner product of each problem's columns: [width + 1, columns] twice -> [problems]."""
        return torch.zeros(self.n_problems, dtype=a.dtype).index_add_(0, self.problem_of_column, (a * b).sum(0))

    def spread(self, values: Tensor) -> Tensor:
        """One value per problem -> one value per column."""
        return values[self.problem_of_column]

    def split(self, weights: Tensor) -> tuple[Tensor, ...]:
        """The columns of each task, as [width + 1, penalties, classes]."""
        blocks = weights.split([c * self.n_penalties for c in self.n_classes], dim=1)
        return tuple(b.reshape(len(b), self.n_penalties, c) for b, c in zip(blocks, self.n_classes, strict=True))

    def __call__(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Loss [problems] and its gradient [width + 1, columns]."""
        losses, residuals = [], []
        for block, target in zip(self.split(self.x @ weights), self._targets, strict=True):
            log_p = block.log_softmax(dim=2)
            losses.append(-(log_p * target).sum(2).mean(0))
            residuals.append((log_p.exp_() - target).flatten(1))
        gradient = self.x.T @ torch.cat(residuals, dim=1) / len(self.x)
        shrunk = weights * self.penalty
        shrunk[-1] = 0
        return torch.cat(losses) + self.dot(shrunk, weights) / 2, gradient + shrunk


def minimise(objective: _Objective, iterations: int) -> Tensor:
    """The weights [width + 1, columns] that minimise the losses, by limited-memory BFGS; a problem stops by
    `TOLERANCE`."""
    weights = torch.zeros(objective.x.shape[1], len(objective.problem_of_column), dtype=objective.x.dtype)
    loss, gradient = objective(weights)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    active = torch.ones_like(loss, dtype=torch.bool)
    for _ in range(iterations):
        direction = _direction(objective, gradient, pairs) * objective.spread(active)
        moved, new_loss, new_gradient = _line_search(objective, weights, loss, gradient, direction)
        step, change = moved - weights, new_gradient - gradient
        curvature = objective.dot(step, change)
        inverse = torch.where(curvature > 1e-12, 1 / curvature.clamp(min=1e-12), 0.0)
        pairs = [*pairs[-HISTORY + 1 :], (step, change, inverse)]
        active &= loss - new_loss > TOLERANCE * loss
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
    scale = torch.ones(objective.n_problems, dtype=objective.x.dtype)
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
