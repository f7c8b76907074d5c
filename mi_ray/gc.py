"""Remove what runs that were killed have left behind: in a store, and among Ray's temporary files.

    python -m mi_ray.gc --store runs --dry-run     # say what would be removed
    python -m mi_ray.gc --store runs               # remove it
    python -m mi_ray.gc --store runs --dry-run --asked sweeps/*.py

In the store: attempts at committed cells, what ended attempts have written (the two newest checkpoints stay, from which
a training goes on), Tune's folders, unfinished images and downloads, tracebacks, and cells that were set aside and have
been computed again. Session folders of mi-ray's local clusters whose run is gone, and processes that outlive it; with
``--sessions`` those of any Ray program of this user. With ``--asked`` also the cells, and their images, that no study
in these files asks for in any of its presets: those that were computed with ``--axis`` are among them.

Refused while a driver is at work in the store; beside one, ``--dry-run`` lists what it is computing as well.
Exit codes are those of a study.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from mi_ray.experiments.declare import Data
from mi_ray.experiments.declare.checks import Refused, error_line, say
from mi_ray.experiments.declare.identity import canonical, story
from mi_ray.experiments.images.prepared import prepared
from mi_ray.experiments.plan.room import amount
from mi_ray.experiments.plan.study import Study
from mi_ray.experiments.store.leftovers import leftovers, remove, sizes_of, unasked
from mi_ray.experiments.store.lock import driver_lock
from mi_ray.experiments.store.lost import settle_after
from mi_ray.experiments.store.store import Store, store_at
from mi_ray.orchestration.start.leftovers import kill_processes, leftover_folders, session_place
from mi_ray.running.exit import DONE, before_the_start, end_in_order_on_sigterm, exit_code, leave
from mi_ray.running.order import plan_of
from mi_ray.running.sessions import bytes_of, ray_folder, stale_sessions


def main(argv: Sequence[str] | None = None) -> int:
    """Say, and unless ``--dry-run`` remove, all leftovers; returns the exit code."""
    flags = flags_of().parse_args(argv)
    store = store_at(flags.store)
    with before_the_start():
        if store.bucket is None and not (store.root / "cells").is_dir():
            raise Refused(f"store: {store.name!r} is not there; allowed: the store of a study")
        store.refuse_if_unreachable()
    with before_the_start(), nullcontext("") if flags.dry_run else driver_lock(store) as before:
        if not flags.dry_run:
            settle_after(store, before)
        total = sum(_of_store(store, flags.asked, dry_run=flags.dry_run))
        total += sum(_of_ray(dry_run=flags.dry_run, of_all=flags.sessions))
    say(f"{amount(total)} {'would be removed' if flags.dry_run else 'removed'}")
    return DONE


def _of_store(store: Store, files: Sequence[str], *, dry_run: bool) -> Iterator[int]:
    """Say and remove the leftovers of a store; yields their bytes."""
    asked = {each for file in files for study in studies_in(Path(file)) for each in declared(study, store)}
    besides = list(unasked(store, lambda told, manifest: _identity(told, manifest) in asked)) if files else []
    sizes = sizes_of(store)
    for left in leftovers(sizes, in_bucket=store.bucket is not None, unasked=besides):
        if not dry_run:
            remove(store, left, sizes)
        say(f"{amount(left.size):>9}  {left.name}  ({left.reason})")
        yield left.size


def _of_ray(*, dry_run: bool, of_all: bool) -> Iterator[int]:
    """Say and remove the folders of local clusters, and stale sessions ``of_all`` Ray programs; yields their bytes."""
    stale = stale_sessions(ray_folder()) if of_all else []
    stale += leftover_folders(session_place())
    for folder in stale:
        size = bytes_of(folder)
        if not dry_run:
            kill_processes(folder)
            shutil.rmtree(folder, ignore_errors=True)
        say(f"{amount(size):>9}  {folder}  (a session of Ray's whose program is gone)")
        yield size


def studies_in(file: Path) -> list[Study]:
    """The studies that a file defines or imports; `Refused` if it has none or cannot be imported."""
    spec = spec_from_file_location(f"asked_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise Refused(f"asked: {str(file)!r} is not allowed; allowed: Python files of studies")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a user's own file
        raise Refused(f"asked: {str(file)!r} cannot be imported ({error_line(error)}); allowed: a study") from error
    return [value for value in vars(module).values() if isinstance(value, Study)]


def declared(study: Study, store: Store) -> Iterator[str]:
    """Every cell that a study asks for in one of its presets, as `_identity` tells it; its images need not be here.

    A search asks by the results that the store holds of the images that are here.
    """

    def digest_of(data: Data) -> str | None:
        images = prepared(data, store)
        return images.digest if images else None

    for preset in study.presets:
        for cell in plan_of(study, study.grid(preset, {}), digest_of, store).cells.values():
            yield _identity(story(cell.declaration), {"protocol": cell.declaration.protocol})


def _identity(declaration: dict, manifest: dict) -> str:
    """A cell's declaration and protocol: with the images' digest, which is not compared, all that makes its key."""
    return canonical([declaration, manifest.get("protocol")])


def flags_of() -> argparse.ArgumentParser:
    """The flags of this command."""
    first, _, rest = (__doc__ or "").partition("\n")
    flags = argparse.ArgumentParser(
        prog="python -m mi_ray.gc", description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    flags.add_argument("--store", default="runs", metavar="PLACE", help="a folder, s3://… or gs://… (%(default)s)")
    flags.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    flags.add_argument("--sessions", action="store_true", help="also sessions of Ray that mi-ray did not start")
    flags.add_argument("--asked", nargs="+", default=[], metavar="FILE", help="also cells that no study here asks for")
    return flags


if __name__ == "__main__":
    end_in_order_on_sigterm()
    leave(exit_code("gc", main))
