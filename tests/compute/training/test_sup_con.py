"""SupCon and NT-Xent against another data set: slow double loops written from their formulas, then their laws."""

from math import exp, log

import pytest
import torch

from mi_ray.compute.training.losses import TILE, nt_xent, nt_xent_against, sup_con
from tests.compute.training.losses_by_hand import projections

# SupCon


def cosine(a, b):
    return torch.dot(a, b) / (a.norm() * b.norm())


def sup_con_by_hand(z_x, z_y, labels, temperature):
    """L_out^sup of Khosla et al. 2020, their Eq. 2, in float64: a mean over views i, one positive p at a time."""
    z, label, k = [*z_x.double(), *z_y.double()], [*labels.tolist()] * 2, len(z_x)
    total = 0.0
    for i in range(2 * k):
        others = [j for j in range(2 * k) if j != i]
        positives = [p for p in others if label[p] == label[i]]
        denominator = sum((cosine(z[i], z[j]) / temperature).exp() for j in others)
        of_i = [((cosine(z[i], z[p]) / temperature).exp() / denominator).log() for p in positives]
        total = total - sum(of_i) / len(positives)
    return total / (2 * k)


def classes(k, n, seed=0):
    return torch.randint(n, (k,), generator=torch.Generator().manual_seed(seed))


def agree(ours, by_hand, inputs):
    """The losses to 1e-6, the gradients of all inputs to 1e-6 of their norm."""
    assert ours.item() == pytest.approx(by_hand.item(), abs=1e-6)
    mine, theirs = torch.autograd.grad(ours, inputs), torch.autograd.grad(by_hand, inputs)
    for one, other in zip(mine, theirs, strict=True):
        assert (one - other).norm() <= 1e-6 * other.norm() + 1e-12


@pytest.mark.parametrize(("k", "n_classes"), [(1, 1), (2, 1), (9, 1), (9, 3), (20, 4), (9, 1000)])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_sup_con_and_its_gradients_are_those_of_the_double_loop(k, n_classes, temperature):
    z, labels = projections(k, width=8).double().requires_grad_(), classes(k, n_classes) - 2
    tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    agree(sup_con(*z, labels, temperature=tau), sup_con_by_hand(*z, labels, tau), [z, tau])


@pytest.mark.parametrize("k", [7, TILE + 37])
def test_sup_con_of_classes_that_all_differ_is_nt_xent_to_the_bit(k):
    z = projections(k, width=16).requires_grad_()
    labels = torch.randperm(k, generator=torch.Generator().manual_seed(1)) * 3 - k
    one, two = sup_con(*z, labels, temperature=0.1), nt_xent(*z, temperature=0.1)
    assert torch.equal(one, two)
    assert torch.equal(torch.autograd.grad(one, z)[0], torch.autograd.grad(two, z)[0])


def test_sup_con_knows_classes_by_equality_alone():
    z, labels = projections(12), classes(12, 3)
    renamed = torch.tensor([40, -7, 0])[labels]
    torch.testing.assert_close(sup_con(*z, renamed, temperature=0.1), sup_con(*z, labels, temperature=0.1))


def test_sup_con_of_one_class_in_one_point_is_log_2k_minus_1():
    z = torch.ones(16, 3)
    assert sup_con(z, z, classes(16, 1), temperature=0.3).item() == pytest.approx(log(31), abs=1e-6)


def test_sup_con_of_two_perfect_classes_has_the_closed_form():
    z, labels = torch.eye(2).repeat_interleave(8, 0), torch.arange(2).repeat_interleave(8)
    floor = log(15 + 16 * exp(-1 / 0.5))
    assert sup_con(z, z, labels, temperature=0.5).item() == pytest.approx(floor, abs=1e-6)


# Negatives from another data set


def nt_xent_against_by_hand(z_x, z_y, z_negative, temperature):
    """Eqs. 2-3 in float64 with negatives from D- only, one anchor at a time."""
    z_x, z_y, z_negative, total = z_x.double(), z_y.double(), z_negative.double(), 0.0
    for x, y in zip(z_x, z_y, strict=True):
        for anchor, other in ((x, y), (y, x)):
            positive = (cosine(anchor, other) / temperature).exp()
            negatives = [(cosine(anchor, n) / temperature).exp() for n in z_negative]
            total = total - (positive / (positive + sum(negatives))).log()
    return total / (2 * len(z_x))


def negatives(m, width=8):
    return projections(m, width, seed=9)[0]


@pytest.mark.parametrize(("k", "m"), [(1, 1), (7, 12), (7, 3), (3, TILE + 5)])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_against_and_its_gradients_are_those_of_the_double_loop(k, m, temperature):
    z, far = projections(k, width=8).double().requires_grad_(), negatives(m).double().requires_grad_()
    tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    ours = nt_xent_against(*z, far, temperature=tau)
    agree(ours, nt_xent_against_by_hand(*z, far, tau), [z, far, tau])


def nt_xent_against_at_once(z_x, z_y, z_negative, temperature):
    """The same with the whole similarity matrix in memory."""
    z_x, z_y, far = (torch.nn.functional.normalize(z, dim=1) for z in (z_x, z_y, z_negative))
    positive = (z_x * z_y).sum(1, keepdim=True)
    rows = [torch.cat([positive, anchors @ far.T], 1) / temperature for anchors in (z_x, z_y)]
    return torch.nn.functional.cross_entropy(torch.cat(rows), torch.zeros(2 * len(z_x), dtype=torch.int64))


@pytest.mark.parametrize("k", [TILE // 2, TILE + 37])
def test_tiles_change_neither_nt_xent_against_nor_its_gradients(k):
    z, far = projections(k, width=16).double().requires_grad_(), negatives(2 * k - 2, 16).double().requires_grad_()
    ours = nt_xent_against(*z, far, temperature=0.1)
    agree(ours, nt_xent_against_at_once(*z, far, 0.1), [z, far])


def test_a_pair_without_negatives_costs_nothing():
    z = projections().requires_grad_()
    loss = nt_xent_against(*z, negatives(0, 5), temperature=0.1)
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == 0
    assert not gradient.any()


def test_denominators_of_nt_xent_against_hold_one_positive_and_all_negatives():
    same, k = torch.ones(1, 3), 16
    loss = nt_xent_against(same.expand(k, 3), same.expand(k, 3), same.expand(2 * k - 2, 3), temperature=0.3)
    assert loss.item() == pytest.approx(log(2 * k - 1), abs=1e-6)


def test_other_pairs_are_no_negatives_against_another_set():
    z, far = projections(6), negatives(4, 5)
    alone = [nt_xent_against(z[0, i : i + 1], z[1, i : i + 1], far, temperature=0.2) for i in range(6)]
    torch.testing.assert_close(nt_xent_against(*z, far, temperature=0.2), torch.stack(alone).mean())


def test_relatives_compare_half_precision_projections_in_float32():
    z, far, labels = projections().bfloat16(), negatives(4, 5).bfloat16(), classes(7, 3)
    ours = [sup_con(*z, labels, temperature=0.1), nt_xent_against(*z, far, temperature=0.1)]
    by_hand = [sup_con_by_hand(*z, labels, 0.1), nt_xent_against_by_hand(*z, far, 0.1)]
    assert [loss.dtype for loss in ours] == [torch.float32] * 2
    assert [loss.item() for loss in ours] == pytest.approx([loss.item() for loss in by_hand], abs=1e-5)
