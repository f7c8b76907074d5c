"""Mutual information of embeddings in a file of yours: .npy, .npz, .parquet, .csv or .safetensors.

    mi-ray estimate embeddings.npz --labels labels.npy      # pairs of one class, with a certificate
    mi-ray estimate table.parquet:features --labels table.parquet:class --groups table.parquet:patient
    mi-ray estimate x.npy --with y.npy                      # row i with row i: a lower bound

Of a file with several arrays FILE:NAME names one; its arrays split, images and groups are used if there are any, such
as those of ``mi-ray embed``. The functions `mi_ray.estimate_same_class` and `mi_ray.estimate` have more settings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.running.exit import DONE


def main(argv: Sequence[str]) -> int:
    """Print the estimate; the exit code is 0 whether or not it is certified."""
    flags = Flags("estimate", __doc__)
    flags.add_argument("embeddings", metavar="FILE", help="embeddings [n, width]; with --with: x of each pair")
    flags.add_argument("--labels", metavar="FILE", help="class of each row; by default the labels in the same file")
    flags.add_argument("--with", dest="other", metavar="FILE", help="y of each pair [n, other width]")
    flags.add_argument("--groups", metavar="FILE", help="rows of one group are not independent")
    flags.add_argument("--split", metavar="FILE", help="train, validation or test for each row")
    flags.add_argument("--k-est", type=int, metavar="K", help="positive pairs of a batch that is read")
    flags.add_argument("--critics", type=int, metavar="N", help="learned critics, which differ by their seed alone")
    flags.add_argument("--steps", type=int, metavar="N", help="most training steps of each")
    flags.add_argument("--random-state", type=int, default=0, metavar="SEED", help="(%(default)s)")
    flags.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    flags.add_argument("--json", action="store_true", help="print JSON instead of text")
    given = flags.parse_args(argv)
    if given.labels and given.other:
        raise Refused("labels: not allowed together with --with; allowed: pairs of one class, or pairs of rows")
    from mi_ray.estimates.arrays import names_in
    from mi_ray.estimates.estimate import estimate, estimate_same_class

    own = given.embeddings.partition(":")[0]
    held = () if given.other else names_in(own)
    common: dict[str, Any] = {name: getattr(given, name) for name in ("groups", "split", "random_state", "device")}
    beside: dict[str, Any] = {
        name: f"{own}:{name}" for name in ("split", "images", "groups") if name in held and not common.get(name)
    }
    common |= beside
    settings = {name: getattr(given, name) for name in ("k_est", "critics", "steps")}
    common |= {name: value for name, value in settings.items() if value is not None}
    if given.other:
        found = estimate(given.embeddings, given.other, **common)
    else:
        found = estimate_same_class(given.embeddings, given.labels or own, **common)
    if beside and not given.json:
        say(f"of the same file: {', '.join(beside)}")
    say(json.dumps(found.to_dict(), allow_nan=False) if given.json else repr(found))
    return DONE
