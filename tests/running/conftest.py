"""A store in a folder of the test's own."""

import pytest

from mi_ray.experiments.store.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store
