"""Post-training MI estimation (Sec. III-C, Fig. 3 bottom): fresh critics, a frozen encoder, untouched images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from mi_ray.compute.axes import PrincipalAxes
from mi_ray.compute.critics import Critics, Fit, Report, Settings, fit_critics, unheard
from mi_ray.compute.pairings import Couple
from mi_ray.compute.posterior import Labels, Posterior, confused, fit_posterior, score_posterior
from mi_ray.compute.readings import Pairs, Readings, Scores, draw_pairs, read, read_nwj, score
from mi_ray.compute.uncertainty import Sources
from mi_ray.theory.audit import Evidence, audit, undertrained
from mi_ray.theory.certificate import Bracket, Reading, bracket
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits

OFFSET_PAIRS = 1024
"""Validation pairs that the NWJ offset of a cosine critic is fitted on."""

TRAIN_PAIRS = 4096
"""Train pairs that the probe's critic is read on, to see whether it is overfitted."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A split of frozen embeddings: h [n, width], labels [n], sources [n] that no two splits share, and the couple."""

    h: Float32[np.ndarray, "n width"]
    labels: Labels
    sources: Sources
    couple: Couple


Samples = Mapping[str, Sample]
"""By split: train, validation, test."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What fresh critics read on held-out pairs, the scores of each and the fit behind them; no labels were seen."""

    readings: Readings
    scores: Sequence[Scores]
    fit: Fit

    @property
    def train_bits(self) -> float:
        """Eq. 4 on the rows that they were fitted on, mean over critics."""
        return float(self.fit.train_bits.mean())


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What the probe's critic reads on held-out pairs: soft, from the predicted class alone, and on train pairs."""

    probe: Reading
    confusion: Reading
    train_bits: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Readings of I(h_X; h_Y) by name, and what they certify.

    ``nominal`` is Eq. 4; ``strict`` and ``nwj`` are lower bounds by the same critics, ``probe`` and ``confusion`` by
    the probe. ``reasons`` say why there is no certificate, ``note`` what else a reader should know.
    """

    readings: Mapping[str, Reading]
    learned: Learned
    probed: Probed
    bracket: Bracket
    reasons: tuple[str, ...]
    note: str

    @property
    def certified(self) -> bool:
        """The bracket is narrow enough, and the audit found nothing."""
        return not self.reasons


def estimate(
    samples: Samples,
    channel: LabelChannel,
    *,
    k_est: int,
    batches: int,
    penalties: Sequence[float],
    settings: Settings,
    report: Report = unheard,
) -> Estimate:
    """Fit critics and a probe on train, select them on validation, read them on test, and audit (Def. II.2).

    ``k_est`` counts positive pairs per batch, ``batches`` how many are read; ``penalties`` are the probe's, and
    ``settings`` the critics', of whose fit ``report`` hears.
    """
    pairs = _pairs(samples, "test", k_est, settings.seeds[0], batches)
    axes = PrincipalAxes(torch.from_numpy(samples["train"].h))
    learned = read_learned(samples, axes, pairs, settings, report)
    probed = read_probe(samples, axes, pairs, channel, penalties, settings.seeds[0])
    strict = {
        "strict": learned.readings.strict,
        "nwj": learned.readings.nwj,
        "probe": probed.probe,
        "confusion": probed.confusion,
    }
    readings = {"nominal": learned.readings.nominal} | strict
    limits = bracket(strict, channel.information_bits)
    evidence = Evidence(
        channel=channel,
        bracket=limits,
        readings=readings,
        train_bits={"strict": learned.train_bits, "nwj": learned.train_bits, "probe": probed.train_bits},
        shared={split: shared(samples["test"], samples[split]) for split in ("train", "validation")},
        class_counts=_class_counts(samples["test"].labels[pairs.x], len(channel.prior)),
        k_est=k_est,
        temperature=learned.fit.critics.temperature.max().item(),
    )
    return Estimate(
        readings=readings,
        learned=learned,
        probed=probed,
        bracket=limits,
        reasons=audit(evidence),
        note=undertrained(learned.readings.nwj, probed.probe),
    )


def read_learned(
    samples: Samples, axes: PrincipalAxes, pairs: Pairs, settings: Settings, report: Report = unheard
) -> Learned:
    """Fit a critic for each seed, stop it on validation and read it once on test ``pairs``; sees no labels."""
    rows = {split: axes.softened(torch.from_numpy(sample.h)) for split, sample in samples.items()}
    train, validation = ((rows[split], samples[split].couple) for split in ("train", "validation"))
    fit = fit_critics(train, validation, settings, report)
    held = _pairs(samples, "validation", OFFSET_PAIRS, settings.seeds[0])
    offsets = [scores.nwj.best_offset for scores in _scores(fit.critics, rows["validation"], held)]
    scores = _scores(fit.critics, rows["test"], pairs)
    return Learned(readings=read(scores, pairs, offsets), scores=scores, fit=fit)


def read_probe(
    samples: Samples, axes: PrincipalAxes, pairs: Pairs, channel: LabelChannel, penalties: Sequence[float], seed: int
) -> Probed:
    """Fit a probe on train, choose and calibrate it on validation, and read its critic once on test ``pairs``."""
    h = {split: torch.from_numpy(sample.h) for split, sample in samples.items()}
    train, validation = ((h[split], samples[split].labels) for split in ("train", "validation"))
    sources = samples["validation"].sources
    model = fit_posterior(train, validation, sources, channel.prior, penalties=penalties, axes=axes)
    p = {split: model(rows) for split, rows in h.items()}
    held = _pairs(samples, "validation", pairs.k, seed, len(pairs.x))
    seen = _pairs(samples, "train", TRAIN_PAIRS, seed)

    def confused_rows(rows: Posterior) -> Posterior:
        return confused(p["validation"], validation[1], np.asarray(channel.prior), rows)

    offset = score_posterior(p["validation"], held, channel).best_offset
    hard = score_posterior(confused_rows(p["validation"]), held, channel).best_offset
    return Probed(
        probe=read_nwj([score_posterior(p["test"], pairs, channel)], [offset]),
        confusion=read_nwj([score_posterior(confused_rows(p["test"]), pairs, channel)], [hard]),
        train_bits=bits(score_posterior(p["train"], seen, channel).value(offset)),
    )


def _pairs(samples: Samples, split: str, k: int, seed: int, batches: int = 1) -> Pairs:
    sample = samples[split]
    return draw_pairs(sample.couple, sample.sources, k=k, batches=batches, seed=seed, purpose=f"read {split}")


@torch.inference_mode()
def _scores(critics: Critics, rows: Tensor, pairs: Pairs) -> list[Scores]:
    """Of each critic."""
    z = critics(rows.expand(len(critics.temperature), -1, -1))
    return [score(of, pairs, temperature=t) for of, t in zip(z, critics.temperature.tolist(), strict=True)]


def shared(sample: Sample, other: Sample) -> int:
    """How many images of ``sample`` are in ``other``: of a source found there, or of the very same embedding, unless
    the encoder maps several images of ``sample`` to that one."""
    rows = np.array([hash(row.tobytes()) for row in sample.h])
    _, first, counts = np.unique(rows, return_index=True, return_counts=True)
    there = {hash(row.tobytes()) for row in other.h}
    same = np.zeros(len(rows), dtype=bool)
    same[[i for i, count in zip(first, counts, strict=True) if count == 1 and rows[i] in there]] = True
    return int((same | np.isin(sample.sources, other.sources)).sum())


def _class_counts(classes: Int64[np.ndarray, "batches k"], n_classes: int) -> Int64[np.ndarray, "batches classes"]:
    return np.stack([np.bincount(batch, minlength=n_classes) for batch in classes])
