"""mi-ray: mutual-information studies of contrastive learning on a Ray cluster."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mi-ray")
    """Version of the installed distribution; ``unknown`` where the source tree is used without being installed."""
except PackageNotFoundError:
    __version__ = "unknown"
