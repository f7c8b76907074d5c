"""Classes of a user's own reach workers that cannot import them."""

import sys
from pathlib import Path

import pytest
import ray

from mi_ray.experiments.declare import CDP, Embedding, Training
from mi_ray.experiments.plan.plan import build, group
from mi_ray.orchestration.shared import declared_classes, pickle_own_by_value

pytestmark = pytest.mark.ray

OWN = Path(__file__).parents[1] / "own.py"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module ``own_of_mine``, which nothing but this process can import."""
    (tmp_path / "own_of_mine.py").write_text(OWN.read_text())
    monkeypatch.syspath_prepend(tmp_path)
    import own_of_mine

    (tmp_path / "own_of_mine.py").unlink()
    yield own_of_mine
    ray.cloudpickle.unregister_pickle_by_value(own_of_mine)
    del sys.modules["own_of_mine"]


@pytest.fixture
def cluster():
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_worker_computes_with_classes_that_it_cannot_import(own, cluster):
    training = Training(data=own.Ramps(), pairing=own.Dim(factor=0.5), arch="resnet10t")
    question = own.Length(embedding=Embedding(encoder=training))
    (*_, job) = group(build([question], lambda data: "0" * 64).cells.values())
    pickle_own_by_value([job])

    @ray.remote(num_cpus=0)
    def answer(job):
        import importlib.util

        declaration = job.cells[0].declaration
        h = {"test": declaration.encoder.data.splits()["test"].images.reshape(8, -1).astype("float32")}
        value = declaration.checked(declaration.answer(h, {}, {}))["length"]
        return importlib.util.find_spec("own_of_mine") is None, value, declaration.encoder.pairing.name, job.key

    not_importable, length, name, key = ray.get(answer.remote(job))
    assert not_importable
    assert (length > 0, name, key) == (True, "dim 0.5", job.key)


def test_all_classes_of_a_declaration_are_found():
    from tests.own import Dim, Length, Ramps

    training = Training(data=Ramps(), pairing=Dim(), arch="resnet10t")
    found = set(declared_classes(Length(embedding=Embedding(encoder=training))))
    assert {Ramps, Dim, Length, Training, Embedding} <= found
    assert CDP not in found
