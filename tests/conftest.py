"""Shapes of floor 1 are checked while tests run: jaxtyping's annotations, enforced by beartype."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jaxtyping import install_import_hook

from tests.faults.matrix import MATRIX, Matrix

if TYPE_CHECKING:
    from mi_ray.experiments.store.store import Store

install_import_hook("mi_ray.compute", "beartype.beartype")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(MATRIX, type=Path, metavar="FILE", help="print the fault matrix, and write it to FILE")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Matrix(config.getoption(MATRIX)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whole sweeps (the files beside this one) first: begun last, one would leave a core idle for minutes."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave the modules and tests that are loaded now out of every later garbage collection, which they would slow."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store in a folder of the test's own."""
    from mi_ray.experiments.store.store import Store

    made = Store(tmp_path / "store")
    made.prepare()
    return made


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """An S3-compatible server over HTTP, its address; the environment leads to it."""
    from tests.buckets import served

    with served() as address:
        yield address
