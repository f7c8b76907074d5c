"""The roof: a study file calls `launch(STUDY)`, which reads the flags, builds the order of work and runs it.

ray, mlflow and optuna are imported only where an order needs them: ``--on here`` runs without ray; without mlflow a
study runs and is mirrored when its command is next run where mlflow is; only a search needs optuna.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.experiments.plan.study import Study, parse_axes
from mi_ray.experiments.store.lock import driver_lock
from mi_ray.experiments.store.lost import ON_HERE
from mi_ray.experiments.store.store import store_at
from mi_ray.running.exit import DONE, before_the_start, end_in_order_on_sigterm, exit_code, leave
from mi_ray.running.order import Options, Order, order_of


def launch(study: Study, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a study from the command line; ``argv``: the flags, those of the process if None.

    Exit code 0: complete; 1: cells or figures failed; 2: refused; 3: stopped, since Ray, the store or this machine
    failed; 4: a fault of mi-ray itself; 130: interrupted. Every code but 0 and 1 comes with one line on stderr.
    """
    end_in_order_on_sigterm()
    folder: Path | None = None

    def work() -> int:
        nonlocal folder
        options = options_of(study, argv)
        say(f"{study.name}  preset {options.preset}, store {options.store}")  # what follows imports for seconds
        store = store_at(options.store)
        folder = store.root
        with before_the_start():
            if study.searches:  # which are replayed from the store
                store.refuse_if_unreachable()
            order = order_of(study, study.grid(options.preset, options.axes), options, store)
        return run(order)

    leave(exit_code(study.name, work, lambda: folder))


def run(order: Order) -> int:
    """Refuse an order that cannot be run, else run it, or list it for ``--dry-run``; returns the exit code.

    The imports are here since they take seconds, which ``--help`` and a mistyped flag need not wait for.
    """
    from mi_ray.running.rounds import run_order

    with before_the_start():
        checked = _checked(order)
    if checked is None:
        return DONE
    with driver_lock(order.store, ON_HERE if order.options.on == "here" else "") as before:
        return run_order(checked, before)


def _checked(order: Order) -> Order | None:
    """The order with what the images hold, once nothing about it is refused; None if a dry run has listed it."""
    from mi_ray.experiments.images.census import Census
    from mi_ray.running import refusals
    from mi_ray.running.dry_run import print_cells, print_images
    from mi_ray.running.figures import refuse_unknown_draw

    refusals.refuse_absent_packages(order)
    refusals.refuse_unknown_panels(order)
    refuse_unknown_draw(order.study)
    order.store.refuse_if_unreachable()
    census = Census(order.store, measures_files=order.store.bucket is not None)
    if order.options.dry_run:
        print_cells(order, census)
        return None
    refusals.refuse_absent_files(order)
    print_images(order, census)
    order = order.renewed(refusals.known_digests(order), census.counts)
    refusals.refuse_what_lacks_room(order)
    refusals.refuse_jobs_too_large(order)
    order.store.prepare()
    return order


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def flags_of(study: Study) -> argparse.ArgumentParser:
    """The flags that every study has, and no others: settings of the science are axes."""
    first, _, rest = study.docstring.partition("\n")
    parser = _OneLineParser(
        prog=study.name, description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default=study.default_preset, help=f"one of {', '.join(study.presets)} (%(default)s)")
    add(
        "--axis", action="append", default=[], metavar="NAME=V1,V2",
        help=f"override an axis; a list is [V,V], a value with a comma in it \"V,V\": {', '.join(study.types)}",
    )  # fmt: skip
    add("--only", metavar="GLOB", help="compute only cells whose name matches or holds it, and what they need")
    add("--dry-run", action="store_true", help="list cells, what is done, and the predicted cost")
    add("--on", choices=("ray", "here"), default="ray", help="Ray Tune, or one after another in this process")
    add("--address", help="a running Ray cluster (auto, or host:port); a local one is started otherwise")
    add("--workers", type=int, default=1, help="workers that train one encoder together, by Ray Train (%(default)s)")
    add(
        "--gpus", type=float, help="GPUs of each of them and of an embedding, such as 0.5 (1 where the cluster has any)"
    )
    add(
        "--loaders", type=int, metavar="N",
        help="CPU cores that decode images for each of them (as many as it needs and a node has)",
    )  # fmt: skip
    add(
        "--slots", dest="cores", type=int, metavar="N",
        help="CPU cores of a local cluster, each a slot for a job (those that this process may use)",
    )  # fmt: skip
    add("--probe", action="store_true", help="follow the kNN accuracy of every training's checkpoints, on validation")
    add("--retry", action="store_true", help="try again cells that killed their process, or that a search lost")
    add("--store", default="runs", metavar="PLACE", help="of finished cells: a folder, s3://… or gs://… (%(default)s)")
    add("--tracking-uri", help="MLflow tracking URI (SQLite in the store)")
    return parser


def options_of(study: Study, argv: Sequence[str] | None) -> Options:
    """The flags as values; `Refused` if one is unknown, or if an axis or one of its values is."""
    flags = vars(flags_of(study).parse_args(argv))
    return Options(axes=parse_axes(study, flags.pop("axis")), **flags)
