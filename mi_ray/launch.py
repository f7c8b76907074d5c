"""The roof: a study file calls `launch(STUDY)`. Reads the few flags and refuses nonsense; `running` does the rest.

The lazy imports here and in `running` decide what must be installed: ``--on here`` needs no ray, and without mlflow a
study runs all the same and is mirrored when its command is next run where mlflow is. Only a search needs optuna.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

from mi_ray.experiments.declare.checks import Refused, refuse
from mi_ray.experiments.plan.study import Axes, Study, parse_axes
from mi_ray.running.rounds import DONE, INTERRUPTED, REFUSED, plans, stop_in_order_when_told, sweep, team_of

if TYPE_CHECKING:
    from mi_ray.experiments.declare import Data, Question
    from mi_ray.experiments.store.store import Store


def launch(study: Study, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a study from the command line. Exit code 0: complete; 1: cells failed; 2: refused; 130: interrupted."""
    stop_in_order_when_told()
    try:
        sys.exit(_launch(study, flags_of(study).parse_args(argv)))
    except Refused as refusal:
        print(f"{study.name}: {refusal}", file=sys.stderr)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def flags_of(study: Study) -> argparse.ArgumentParser:
    """The flags that every study has, and no others: settings of the science are axes."""
    first, _, rest = (sys.modules[study.trial.__module__].__doc__ or study.name).partition("\n")
    parser = _OneLineParser(
        prog=study.name, description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default=study.default_preset, help=f"one of {', '.join(study.presets)} (%(default)s)")
    add(
        "--axis", action="append", default=[], metavar="NAME=V1,V2",
        help=f"override an axis; a list is [V,V], a value with a comma in it \"V,V\": {', '.join(study.types)}",
    )  # fmt: skip
    add("--only", metavar="GLOB", help="compute only cells whose name matches, and what they need")
    add("--dry-run", action="store_true", help="list cells, what is done, and the predicted cost")
    add("--on", choices=("ray", "here"), default="ray", help="Ray Tune, or one after another in this process")
    add("--address", help="a running Ray cluster (auto, or host:port); a local one is started otherwise")
    add("--workers", type=int, default=1, help="workers that train one encoder together, by Ray Train (%(default)s)")
    add(
        "--gpus", type=float, help="GPUs of each of them and of an embedding, such as 0.5 (1 where the cluster has any)"
    )
    add("--store", default="runs", metavar="PLACE", help="of finished cells: a folder, s3://… or gs://… (%(default)s)")
    add("--tracking-uri", help="MLflow tracking URI (SQLite in the store)")
    return parser


def _launch(study: Study, flags: argparse.Namespace) -> int:
    _refuse_what_a_search_cannot(study, flags)
    grid = study.grid(flags.preset, parse_axes(study, flags.axis))
    from mi_ray.experiments.store.lock import driver_lock
    from mi_ray.experiments.store.store import store_at
    from mi_ray.running.asking import questions_of, rounds_of

    store = store_at(flags.store)
    questions = questions_of(rounds_of(study, grid, lambda data: None, store))
    _refuse_what_is_not_installed(flags)
    store.refuse_if_unreachable()
    if flags.dry_run:
        return _dry_run(study, grid, questions, store, flags)
    _refuse_what_is_not_there(questions, flags)
    _print_images(questions)
    _refuse_what_cannot_fit(questions, store, flags)
    store.prepare()
    with driver_lock(store):
        return sweep(study, grid, questions, store, flags)


def _refuse_what_a_search_cannot(study: Study, flags: argparse.Namespace) -> None:
    if study.searches and find_spec("optuna") is None:
        raise Refused("a search needs optuna, which is not installed in this environment")
    if study.searches and flags.only:
        raise refuse("only", flags.only, "nothing in a search, which needs every cell of a round to go on")


def _refuse_what_is_not_installed(flags: argparse.Namespace) -> None:
    if flags.on == "ray" and find_spec("ray") is None:
        raise refuse("on", "ray", "here (ray is not installed in this environment)")
    if flags.on == "here" and flags.workers != 1:
        raise refuse("workers", flags.workers, "1 with --on here")
    if flags.tracking_uri and find_spec("mlflow") is None:
        raise refuse("tracking-uri", flags.tracking_uri, "nothing (mlflow is not installed in this environment)")


def _refuse_what_is_not_there(questions: list[Question], flags: argparse.Namespace) -> None:
    from mi_ray.experiments.images.missing import refuse_missing_files
    from mi_ray.experiments.plan.fit import refuse_unfit

    refuse_missing_files(questions)
    refuse_unfit(questions)
    plans(questions, lambda data: None, flags.only)


def _refuse_what_cannot_fit(questions: list[Question], store: Store, flags: argparse.Namespace) -> None:
    """Refuse, before images are made, jobs that would wait for ever; one core or one GPU is always there."""
    if flags.on == "here" or (flags.workers, flags.gpus) == (1, None):
        return
    from mi_ray.orchestration.cluster import connected, local
    from mi_ray.orchestration.placement import refuse_what_cannot_fit

    team = team_of(flags)
    _, plan = plans(questions, _known_digests(questions, store).get, flags.only)
    with connected(flags.address) if flags.address else nullcontext(local()) as capacity:
        refuse_what_cannot_fit(plan.missing_jobs(store), capacity, team)


def _print_images(questions: list[Question]) -> None:
    """Print what was found in the folders of images, and what is known of learning them, before anything is
    computed."""
    from mi_ray.experiments.images.inventory import inventory
    from mi_ray.experiments.plan.forecast import notes

    for line in [*inventory(questions), *notes(questions)]:
        print(line, flush=True)


def _known_digests(questions: list[Question], store: Store) -> dict[Data, str]:
    """Digests of the images that the store holds already."""
    from mi_ray.experiments.declare import data_of
    from mi_ray.experiments.images.prepared import prepared

    declared = dict.fromkeys(map(data_of, questions))
    return {data: made.digest for data in declared if (made := prepared(data, store))}


def _dry_run(study: Study, grid: Axes, questions: list[Question], store: Store, flags: argparse.Namespace) -> int:
    """List the cells that are known by now, which are done, and what the rest is predicted to cost; computes and
    writes nothing."""
    from mi_ray.experiments.images.missing import missing_files
    from mi_ray.experiments.plan.fit import refuse_unfit
    from mi_ray.experiments.plan.forecast import forecast, forecast_search
    from mi_ray.running.asking import questions_of, rounds_of

    refuse_unfit(questions)
    _print_images(questions)
    digests = _known_digests(questions, store)
    rounds = rounds_of(study, grid, digests.get, store)
    _, plan = plans(questions_of(rounds), digests.get, flags.only)
    for line in [*(one.title for one in rounds if one.title), *forecast(plan, store)]:
        print(line)
    for line in forecast_search(study.search(grid), plan, store) if study.searches else ():
        print(line)
    for absent in missing_files(questions):
        print(f"missing   {absent}")
    return DONE
