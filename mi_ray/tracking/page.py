"""What MLflow's page says of an experiment and of a sweep."""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Mapping, Sequence

from mi_ray.experiments.plan.plan import Plan

NOTE = "mlflow.note.content"
"""Tag that MLflow shows as the description of an experiment or a run, in Markdown."""

EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    NOTE: (
        "One run per cell: sweep > training > embedding and questions. The links that a sweep prints at its end, and "
        "`mi-ray ui`, open its estimations as a table and as parallel coordinates. By hand: search "
        "`params.kind = 'estimation'`, and choose the columns `pairing`, `task` and `nominal_bits`. The true value is "
        "between `lower_bits` and `upper_bits` with 95 % confidence. Where that bracket is narrow enough, "
        "`tags.certified = 'true'` and the tag `statement` is the bracket with a tick; the others say why not in "
        "`not_certified`; `nominal_outside` says where `nominal_bits` is outside that bracket. Trainings and "
        "embeddings whose encoder did not learn say why in the tag `not_learned`. Linear accuracies: "
        "`params.kind = 'evaluation'` and `linear_accuracy`, or beside estimates `linear_balanced_accuracy`. "
        "The heatmaps are artifacts of the sweep's run, and in its description; every run's `cell_key` names its "
        "directory in the store, and its tag `provenance` has sha256 and versions."
    ),
}
"""Kind and description of the experiment on MLflow's page."""


def user() -> str:
    """The name of the user who runs the driver; "unknown" where the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without an entry
        return "unknown"


def described(
    question: str, verdict: str, plan: Plan, axes: Mapping[str, Sequence[object]], pictures: Sequence[str]
) -> tuple[str, dict[str, str]]:
    """The description of a sweep's run, in Markdown, and its tags: question, verdict, counts, axes, pictures.

    A picture's address is ``{artifact:NAME}``, which `Recorder.describe` fills.
    """
    counts = Counter(cell.kind for cell in plan.cells.values())
    values = {name: ", ".join(map(str, value)) for name, value in axes.items()}
    cells = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    lines = [
        f"**{verdict or 'No verdict.'}**",
        question,
        f"{len(plan.cells)} cells: {cells}.",
        "\n".join(f"- {name}: {value}" for name, value in values.items()),
        *(f"![{name}]({{artifact:{name}}})" for name in pictures),
    ]
    tags = {f"cells/{kind}": str(n) for kind, n in counts.items()}
    tags |= {f"axis/{name}": value for name, value in values.items()}
    return "\n\n".join(filter(None, lines)), tags | ({"verdict": verdict} if verdict else {})
