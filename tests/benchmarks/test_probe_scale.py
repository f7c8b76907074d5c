"""A linear evaluation holds blocks of scores, not those of all images, classes and penalties."""

import json
import subprocess
import sys

import pytest

MIB_OF_GB = 1e9 / 2**20


def result_of(statement, before=""):
    """The value of an expression of `benchmarks.probe_scale`, in a process of its own."""
    code = f"import json\nfrom benchmarks.probe_scale import *\n{before}\nprint(json.dumps({statement}))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert not process.stderr  # a map for reading is no reason to warn
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
def test_memory_of_a_linear_evaluation_is_that_of_blocks():
    """One matrix of 40,000 images, 50 classes and 5 penalties alone has 38 MiB."""
    small = "from mi_ray.compute.numerics import blocks\nblocks.BLOCK, blocks.KEPT = 2**21, 0"
    size = "Sizes(images=40_000, width=32, classes=50, held_out=1000, noise=1.0)"
    found = result_of(f"measured({size}, torch.device('cpu'))", small)
    assert found["mib_beyond_h"] < 38
    assert found["accuracy"] > 0.95


@pytest.mark.slow
def test_an_evaluation_of_128_000_images_and_1_000_classes_takes_less_than_a_gigabyte():
    found = result_of("measured(Sizes(), torch.device('cpu'))")
    assert found["mib_beyond_h"] < MIB_OF_GB


@pytest.mark.slow
def test_accuracy_is_that_of_scikit_learn():
    found = result_of("beside_scikit_learn(Sizes(), torch.device('cpu'), 10_000, 100)")
    for penalty in ("0.001", "0.01"):
        assert found[f"ours_{penalty}"] == pytest.approx(found[f"scikit_learn_{penalty}"], abs=0.001)
