"""Mutual information of a user's own arrays: pairs of one class (Sec. III, T_class), or any pairs of rows.

    import mi_ray
    mi_ray.estimate_same_class(embeddings, labels)      # I(h_X; h_Y), X and Y two images of one class
    mi_ray.estimate(x, y)                               # I(X; Y), row i of x and row i of y a pair

Critics are fitted on train rows, chosen on validation rows and read on test rows, as in a cell of a study. Numbers
depend on the arrays, the settings and ``random_state`` alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import torch
from jaxtyping import Float32

from mi_ray.compute.estimation.critic import Critic
from mi_ray.compute.estimation.critics import Settings
from mi_ray.compute.estimation.estimate import NO_TRUTH, Estimate
from mi_ray.compute.estimation.estimate import estimate as read_critics
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.own import OwnCritic
from mi_ray.compute.estimation.probe import ProbeCritic
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.samples import Origin, Sample
from mi_ray.compute.images.duplicates import distinct_rows, identities_of_rows
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.pairs.couples import Couple, Indices, WithinClass, among
from mi_ray.estimates import splits
from mi_ray.estimates.arrays import codes, matrix
from mi_ray.estimates.outcome import MIEstimate
from mi_ray.experiments.declare.checks import Refused, at_least, one_of, refuse, within
from mi_ray.experiments.declare.estimation import Estimation, refuse_critics, refuse_settings
from mi_ray.experiments.declare.training import Training
from mi_ray.experiments.results.estimates import result
from mi_ray.theory.channel import LabelChannel

NO_UPPER = "the truth has no known upper bound without classes"
"""Why an estimate of pairs certifies nothing."""

HELD_OUT = 0.2
CRITICS, PENALTIES = 2, (1e-4, 1e-3, 1e-2, 1e-1)
EMBEDDINGS = ("embeddings", "h", "features", "x", "X", "numbers")
LABELS = ("labels", "label", "y", "Y", "targets", "target", "classes")
"""Names under which a file with several arrays is searched."""


class EstimateSettings(TypedDict, total=False):
    """Settings of the critics and of their reading; the fields of `Estimation`, where their defaults are explained.

    ``hidden``, ``out``: width of the hidden layer and of the output of a learned critic, ``hidden`` of a probe that is
    not linear too; ``penalties``: of the linear probe, chosen on validation; ``own``: critics of your own.
    """

    k_est: int
    batches: int
    critics: int
    hidden: int
    out: int
    k_fit: int
    temperature: float
    steps: int
    learning_rate: float
    weight_decay: float
    patience: int
    penalties: tuple[float, ...]
    own: tuple[Critic, ...]


DEFAULTS = {field.name: field.default for field in fields(Estimation) if field.name in EstimateSettings.__annotations__}
DEFAULTS |= {"critics": CRITICS, "hidden": Training.hidden, "out": Training.out, "penalties": PENALTIES}


def estimate_same_class(
    embeddings: Any,
    labels: Any,
    *,
    groups: Any = None,
    images: Any = None,
    split: Any = None,
    held_out: float = HELD_OUT,
    prior: Literal["uniform", "empirical"] = "uniform",
    redraw: float = 0.0,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    device: str = "cpu",
    **settings: Unpack[EstimateSettings],
) -> MIEstimate:
    """Post-training estimate of I(h_X; h_Y) for two images of one class (Sec. III-C, Theorem III.1), with a bracket.

    ``embeddings`` [n, width] of a frozen encoder and ``labels`` [n]: arrays or files, see `mi_ray.estimates.arrays`.
    ``groups`` [n]: rows of one group are not independent (frames of a video, photographs of a patient); they stay in
    one split, and errors count them as one. ``images`` [n]: equal where rows show one image; equal rows by default.
    ``split`` [n]: train, validation or test for each row; otherwise ``held_out`` of each class is validation, and as
    much is test. ``prior``: of the classes of the pairs; with probability ``redraw`` the second class is drawn anew.

    `Refused`, a ValueError, names the argument, the value and what is allowed.
    """
    seed, protocol, place = seed_of(random_state), protocol_of(settings), device_of(device)
    h = matrix("embeddings", embeddings, EMBEDDINGS)
    number, names = codes("labels", labels, len(h), LABELS)
    if len(names) < 2:
        raise Refused(f"labels: {len(names)} class ({names[0]}) is not allowed; allowed: at least 2 classes")
    one_of("prior", prior, ("uniform", "empirical"))
    within("redraw", redraw, 0, 1)
    within("held_out", held_out, 0.01, 0.49)
    same = identities_of_rows(h) if images is None else codes("images", images, len(h))[0]
    group = np.arange(len(h)) if groups is None else codes("groups", groups, len(h))[0]
    parts = splits.of_classes(number, names, same, group, split, held_out, seed, is_told=images is not None)
    counts = np.bincount(number[parts["test"]]) if prior == "empirical" else np.ones(len(names))
    shares = tuple((counts / counts.sum()).tolist())
    data = h, number, same, group
    samples = {part: sample_of_classes(*data, rows, len(names), prior, redraw) for part, rows in parts.items()}
    problem = Problem(
        samples=samples,
        labels=LabelChannel(prior=shares, redraw=redraw),
        k_est=protocol["k_est"],
        batches=protocol["batches"],
        seed=seed * protocol["critics"],
        device=place,
    )
    probe = ProbeCritic(penalties=protocol["penalties"], hidden=protocol["hidden"], seed=seed)
    found = read_critics(problem, learned_critics(protocol, seed), probe, *map(OwnCritic, protocol["own"]))
    return told(found, found.reasons, parts, names, seed)


def sample_of_classes(
    h: Float32[np.ndarray, "n width"],
    labels: Indices,
    images: Indices,
    groups: Indices,
    rows: Indices,
    n_classes: int,
    prior: str,
    redraw: float,
) -> Sample:
    """The rows of a split, paired within their classes; copies of an image count once in the pairs."""
    own = labels[rows]
    chosen = distinct_rows(images[rows], own)
    weights = None if prior == "uniform" else np.bincount(own, minlength=n_classes) / len(rows)
    couple = WithinClass(own[chosen], n_classes, redraw=redraw, prior=weights)
    origin = Origin(identities=images[rows], sources=groups[rows], names=[f"row {row}" for row in rows.tolist()])
    return Sample(h[rows], own, origin, among(couple, chosen, len(rows)))


def estimate(
    x: Any,
    y: Any,
    *,
    groups: Any = None,
    split: Any = None,
    held_out: float = HELD_OUT,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    device: str = "cpu",
    **settings: Unpack[EstimateSettings],
) -> MIEstimate:
    """A lower bound of I(X; Y) from independent pairs: row i of ``x`` [n, width] with row i of ``y`` [n, other width].

    The critics are separate networks of x and y, whose outputs are compared by their cosine. The lower end of the
    bracket holds with 95 % confidence; it can be at most about log2 of the number of pairs that it is read on, the
    test pairs or ``k_est`` of them (McAllester and Stratos 2020). There is no upper end, so nothing is certified.
    ``groups`` [n]: pairs of one group are not independent. Other arguments and errors as in `estimate_same_class`.
    """
    seed, protocol, place = seed_of(random_state), protocol_of(settings), device_of(device)
    sides = matrix("x", x, ("x", "X")), matrix("y", y, ("y", "Y"))
    n = len(sides[0])
    if len(sides[1]) != n:
        raise Refused(f"y: {len(sides[1])} rows are not allowed; allowed: {n}, one for each row of x")
    within("held_out", held_out, 0.01, 0.49)
    group = np.arange(n) if groups is None else codes("groups", groups, n)[0]
    parts = splits.by_group(group, held_out, seed) if split is None else splits.given_split(split, n)
    splits.refuse_few(parts, group)
    samples = {part: sample_of_pairs(sides, rows, group) for part, rows in parts.items()}
    problem = Problem(
        samples=samples,
        k_est=min(protocol["k_est"], len(parts["test"])),
        batches=1,
        seed=seed * protocol["critics"],
        device=place,
    )
    found = read_critics(problem, learned_critics(protocol, seed), *map(OwnCritic, protocol["own"]))
    reasons = tuple(NO_UPPER if reason == NO_TRUTH else reason for reason in found.reasons)
    return told(found, reasons, parts, (), seed)


@dataclass(frozen=True)
class InOrder:
    """Pairs of row 2i with row 2i + 1, each of ``n`` pairs once before any comes again.

    A pair that is there twice would be a negative of itself, which lowers a bound.
    """

    n: int

    def __call__(self, k: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        rounds = [rng.permutation(self.n) for _ in range(-(-k // self.n))]
        chosen = np.concatenate(rounds)[:k]
        return 2 * chosen, 2 * chosen + 1


def sample_of_pairs(sides: Sequence[Float32[np.ndarray, "n width"]], rows: Indices, groups: Indices) -> Sample:
    """The pairs ``rows`` as rows of one matrix: x beside zeros, then zeros beside y, so that each has weights of its
    own in a critic's first layer."""
    wide, place = [side.shape[1] for side in sides], np.repeat(rows, 2)
    h = np.zeros((len(rows), 2, sum(wide)), dtype=np.float32)
    h[:, 0, : wide[0]], h[:, 1, wide[0] :] = sides[0][rows], sides[1][rows]
    couple: Couple = InOrder(len(rows))
    names = [f"pair {row}" for row in place.tolist()]
    origin = Origin(identities=place, sources=groups[place], names=names)
    return Sample(h.reshape(2 * len(rows), sum(wide)), np.repeat(np.arange(len(rows)), 2), origin, couple)


def told(found: Estimate, reasons: tuple[str, ...], parts: splits.Parts, names: Sequence[str], seed: int) -> MIEstimate:
    """The estimate as the user gets it. Without classes the nominal reading, whose negatives are of one side too, means
    nothing, and no upper end is known."""
    split = np.empty(sum(map(len, parts.values())), dtype=max(map(np.str_, SPLITS), key=len).dtype)
    for part, rows in parts.items():
        split[rows] = part
    is_paired = found.augmented
    readings = {name: reading for name, reading in found.readings.items() if not (is_paired and name == "nominal")}
    values = result(found)
    if is_paired:
        values = {name: value for name, value in values.items() if not name.startswith("nominal_")}
        values |= {"upper_bits": inf, "epsilon_bits": inf, "not_certified": "; ".join(reasons)}
    return MIEstimate(
        lower_bits=found.bracket.lower_bits,
        upper_bits=inf if is_paired else found.bracket.upper_bits,
        lower_from=found.bracket.lower_from,
        certified=not reasons,
        reasons=reasons,
        note=found.note,
        readings=readings,
        ceilings_bits={"strict": found.bounds_bits["strict"]} if is_paired else found.ceilings_bits,
        class_entropy_bits=None if is_paired else found.channel.entropy_bits,
        classes=tuple(names),
        k_est=found.k_est,
        rows={part: len(rows) for part, rows in parts.items()},
        random_state=seed,
        split=split,
        result=values,
    )


# Arguments


def protocol_of(settings: EstimateSettings) -> dict[str, Any]:
    """All settings, those that are not given by their defaults; `Refused` for unknown names and bad values."""
    for name in settings:
        one_of("settings", name, tuple(DEFAULTS))
    protocol: dict[str, Any] = DEFAULTS | settings
    protocol |= {name: tuple(protocol[name]) for name in ("penalties", "own") if isinstance(protocol[name], list)}
    refuse_settings(protocol)
    at_least("hidden", protocol["hidden"], 1)
    at_least("out", protocol["out"], 1)
    refuse_critics(protocol["own"])
    return protocol


def learned_critics(protocol: dict[str, Any], seed: int) -> LearnedCritics:
    """The learned critics; no two seeds share one."""
    n = protocol["critics"]
    names = ("hidden", "out", "temperature", "steps", "learning_rate", "weight_decay", "patience")
    own = {name: protocol[name] for name in names}
    return LearnedCritics(settings=Settings(seeds=range(seed * n, (seed + 1) * n), k=protocol["k_fit"], **own))


def seed_of(random_state: int | np.random.Generator | np.random.RandomState | None) -> int:
    """The seed: a whole number itself, drawn from a generator of numpy, or fresh for None."""
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.integer):
        random_state = int(random_state)
    at_least("random_state", random_state, 0)
    return random_state


def device_of(name: str) -> torch.device:
    """The device of that name; `Refused` if it is unknown or not there."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:100]
        raise refuse("device", name, f"cpu, or a device that torch finds ({reason})") from error
    return device
