"""mi-ray: mutual-information studies of contrastive learning on a Ray cluster.

mi_ray.estimate_same_class(embeddings, labels)      # arrays or files of yours
mi_ray.estimate(x, y)
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mi_ray.estimates.embedding import Embeddings, embed
    from mi_ray.estimates.estimate import estimate, estimate_same_class
    from mi_ray.estimates.outcome import MIEstimate
    from mi_ray.table import read

__all__ = ["Embeddings", "MIEstimate", "__version__", "embed", "estimate", "estimate_same_class", "read"]

try:
    __version__ = version("mi-ray")
    """Version of the installed distribution; ``unknown`` where the source tree is used without being installed."""
except PackageNotFoundError:
    __version__ = "unknown"

HOMES = {
    "embed": "mi_ray.estimates.embedding",
    "Embeddings": "mi_ray.estimates.embedding",
    "estimate": "mi_ray.estimates.estimate",
    "estimate_same_class": "mi_ray.estimates.estimate",
    "MIEstimate": "mi_ray.estimates.outcome",
    "read": "mi_ray.table",
}
"""The module of each public name; imported when the name is first used, since torch takes seconds."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
