"""Shapes of floor 1 are checked while tests run: jaxtyping's annotations, enforced by beartype."""

from collections.abc import Iterator

import pytest
from jaxtyping import install_import_hook

install_import_hook("mi_ray.compute", "beartype.beartype")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """An S3-compatible server over HTTP, its address; the environment leads to it."""
    from tests.buckets import served

    with served() as address:
        yield address
