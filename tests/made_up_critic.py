"""A critic of a user's own, as a module of theirs would hold it: for tests of its key, its record and its refusals."""

from dataclasses import dataclass

import numpy as np

from mi_ray.compute.estimation.critic import Critic


@dataclass(frozen=True, kw_only=True)
class Cosine(Critic):
    """The cosine of h itself, ``scale`` nats deep."""

    name: str = "cosine"
    scale: float = 5.0

    def fit(self, data):
        def unit(h):
            return h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-12)

        return lambda x, y: self.scale * unit(x) @ unit(y).T
