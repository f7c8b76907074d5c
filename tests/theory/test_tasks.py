"""The seven downstream tasks of the CDP images (Sec. III-B, Fig. 2)."""

from itertools import combinations, product

import numpy as np
import pytest

from mi_ray.theory.tasks import ATTRIBUTES, TASKS, Task

EVERY_IMAGE = np.array(list(product(range(4), repeat=3)))


def test_tasks_are_the_seven_non_empty_subsets_of_the_attributes():
    subsets = {frozenset(c) for size in (1, 2, 3) for c in combinations(ATTRIBUTES, size)}
    assert len(TASKS) == 7
    assert {frozenset(task.attributes) for task in TASKS} == subsets


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_class_entropy_is_two_bits_for_every_matched_attribute(task):
    assert task.entropy_bits == 2 * len(task.attributes)
    assert task.n_classes == 2**task.entropy_bits


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_labels_are_a_bijection_from_joint_values_onto_class_indices(task):
    labels = task.labels(EVERY_IMAGE)
    columns = [ATTRIBUTES.index(attribute) for attribute in task.attributes]
    label_of = {}
    for values, label in zip(EVERY_IMAGE[:, columns].tolist(), labels.tolist(), strict=True):
        assert label_of.setdefault(tuple(values), label) == label
    assert sorted(label_of.values()) == list(range(task.n_classes))


def test_labels_of_one_attribute_are_the_attribute_itself():
    for column, attribute in enumerate(ATTRIBUTES):
        np.testing.assert_array_equal(Task(attribute).labels(EVERY_IMAGE), EVERY_IMAGE[:, column])


def test_a_task_is_a_value():
    assert Task("color+digit") == Task("color+digit")
    assert len({*TASKS, *(Task(task.name) for task in TASKS)}) == 7


@pytest.mark.parametrize("name", ["colour", "digit+color", "color+digit+position", ""])
def test_an_unknown_task_is_refused_with_what_is_allowed(name):
    with pytest.raises(ValueError) as refusal:
        Task(name)
    assert str(refusal.value).startswith(f"task: {name!r}")
    assert all(task.name in str(refusal.value) for task in TASKS)
