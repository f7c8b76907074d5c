"""Draw the figures of a study again, from MLflow, with the flags of its analysis.

mi-ray draw infomin_grid --preset laptop --store runs
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from mi_ray import bundled
from mi_ray.commands.run import studies
from mi_ray.experiments.declare.checks import Refused, did_you_mean, say
from mi_ray.running.exit import DONE


def main(argv: Sequence[str]) -> int:
    """Draw the figures of a study; 1, with one line per reason, where that is refused."""
    bundled.make_importable()
    known = studies()
    if not argv or argv[0] in ("-h", "--help"):
        say((__doc__ or "").strip(), "", f"studies: {', '.join(known)}")
        return DONE
    name, *flags = argv
    if name not in known:
        raise Refused(f"study: {name!r} is not allowed; allowed: {', '.join(known)}{did_you_mean(name, list(known))}")
    study = import_module(f"sweeps.{name}").STUDY
    module, _, function = study.draw.partition(":")
    return import_module("analysis.command").main(study, getattr(import_module(module), function), flags)
