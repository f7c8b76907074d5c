"""Analytic bounds of a supervised loss by a contrastive loss (references [54-57] of Sec. IV-B), in nats.

Setting of Arora et al. (2019): a class c is drawn from ``prior``, x and y independently from that class, and K
negatives y_1..y_K independently, each from a class of its own that is drawn from ``prior``. With an encoder's inner
products s(x, y), divided by the temperature if there is one, and the mean mu_c of its embeddings of class c,

    R_cont = E log(1 + sum_k exp(s(x, y_k) - s(x, y)))        the contrastive loss, InfoNCE with K negatives
    R_mean = E log(sum_c' exp(s(x, mu_c') - s(x, mu_c)))      the softmax loss of the mean classifier

The bounds of R_mean for every encoder:

    Bao, Nagano & Nozawa (2022), Thm. 3    R_mean <= R_cont + log(max(prior) C^2 cosh(a)^2 / K)
    the same, Thm. 4                       R_mean >= R_cont + H(prior) + log(K / (K+1)^2) - 2 log cosh(a)
    Arora et al. (2019)                    R_mean <= (R_cont - L) / ((1 - q) v)
    Nozawa & Sato (2021)                   R_mean <= (2 R_cont - L) / v
    Ash et al. (2021)                      R_mean <= 2 max(1, 2 (C-1) H_{C-1} / K) (R_cont - L) / (1 - q)

a is the largest |s|: 1 / temperature of unit vectors. Of the last three, which are for equally likely classes: Col is
the number of negatives of class c, L = E log(1 + Col), q = P(Col > 0), v the probability that K+1 draws meet all C
classes, and H_n the n-th harmonic number. They are written as Bao et al. compare them (``compare_upper_bound.py`` of
the code of their paper), with H_n exact.

Why they hold. s is linear in the class means, so that E s(x, y_k) = E_c' s(x, mu_c'), and by Jensen's inequality R_cont
does not rise where y and y_k are replaced by their class means. Thm. 3 and 4: for |t_j| <= a and weights w, log sum_j
e^(t_j) - sum_j w_j t_j <= log(max(w) sum e^(t_j) sum e^(-t_j)) <= log(max(w) J^2 cosh(a)^2), the last by Kantorovich's
inequality; Thm. 3 takes the C classes with w = prior, Thm. 4 the positive (w = 0) and the K negatives (w = 1/K). Nozawa
& Sato: log(1 + Col + others) is at least the mean of log(1 + Col) and log(1 + others), and the others are all other
classes with probability v. Arora: one or the other, as Col is positive or not. Ash: the loss of K others is concave in
K, and 2 (C-1) H_{C-1} draws meet C-1 classes with probability 1/2 or more.

All upper bounds rise linearly with R_cont: over encoders with the same ``prior``, K and a they order encoders alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, log1p

import numpy as np

from mi_ray.theory.information import NATS_PER_BIT, entropy_bits


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """Bounds of the mean classifier's loss from the contrastive loss, under one setting.

    ``prior`` [C]: chance of each class; ``negatives``: K; ``largest``: a, the largest |s|. ValueError unless ``prior``
    is a distribution over two possible classes or more, K at least 1, and a positive.
    """

    prior: tuple[float, ...]
    negatives: int
    largest: float

    def __post_init__(self) -> None:
        if entropy_bits(self.prior) == 0 or min(self.prior) == 0:
            raise ValueError(f"prior: {self.prior} must give each of at least two classes a chance")
        if self.negatives < 1:
            raise ValueError(f"negatives: {self.negatives!r} must be at least 1")
        if not 0 < self.largest < inf:
            raise ValueError(f"largest: {self.largest!r} must be positive and finite")

    @property
    def classes(self) -> int:
        """C."""
        return len(self.prior)

    @property
    def is_balanced(self) -> bool:
        """Whether all classes are equally likely, as the bounds before 2022 need."""
        return bool(np.allclose(self.prior, 1 / self.classes))

    @property
    def no_collision(self) -> float:
        """1 - q: the probability that no negative is of the positive pair's class."""
        return (1 - 1 / self.classes) ** self.negatives

    @property
    def collision_nats(self) -> float:
        """L: the contrastive loss that negatives of the positive pair's class alone cause at least."""
        from scipy.stats import binom

        met = np.arange(self.negatives + 1)
        return float(binom.pmf(met, self.negatives, 1 / self.classes) @ np.log1p(met))

    @property
    def coverage(self) -> float:
        """v: the probability that K+1 draws meet every class, 0 for K+1 < C (the coupon collector's)."""
        met, new = np.zeros(self.classes + 1), 1 - np.arange(self.classes + 1) / self.classes
        met[0] = 1.0
        for _ in range(self.negatives + 1):
            met = met * (1 - new) + np.concatenate([[0.0], (met * new)[:-1]])
        return float(met[-1])

    def bao_upper(self, loss: float) -> float:
        """Bao et al. (2022), Thm. 3."""
        return loss + log(max(self.prior)) + 2 * log(self.classes) + 2 * log_cosh(self.largest) - log(self.negatives)

    def bao_lower(self, loss: float) -> float:
        """Bao et al. (2022), Thm. 4."""
        entropy = NATS_PER_BIT * entropy_bits(self.prior)
        return loss + entropy + log(self.negatives) - 2 * log1p(self.negatives) - 2 * log_cosh(self.largest)

    def arora(self, loss: float) -> float:
        """Arora et al. (2019); errors and infinity as `nozawa_sato`."""
        return self._over(self._over(loss - self.collision_nats, self.no_collision), self.coverage)

    def nozawa_sato(self, loss: float) -> float:
        """Nozawa & Sato (2021): infinite if K+1 draws cannot meet every class. ValueError if a class is likelier than
        another."""
        return self._over(2 * loss - self.collision_nats, self.coverage)

    def ash(self, loss: float) -> float:
        """Ash et al. (2021): infinite if every batch has a negative of the positive pair's class. ValueError as
        `nozawa_sato`."""
        others = self.classes - 1
        draws = 2 * others * float((1 / np.arange(1, others + 1)).sum())
        return self._over(2 * max(1.0, draws / self.negatives) * (loss - self.collision_nats), self.no_collision)

    def _over(self, bound: float, chance: float) -> float:
        """``bound`` / ``chance``, infinite if the chance is too small for a float."""
        if not self.is_balanced:
            raise ValueError(f"prior: {self.prior} must be uniform for the bounds of 2019 and 2021")
        return bound / chance if chance > 0 else inf


def log_cosh(a: float) -> float:
    """log cosh(a) of a >= 0, for large a too."""
    return a + log1p(exp(-2 * a)) - log(2)
