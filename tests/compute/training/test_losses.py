"""NT-Xent and its two relatives against slow double loops written from their formulas, then their laws."""

import subprocess
import sys
from math import exp, log
from pathlib import Path

import pytest
import torch

from mi_ray.compute.training.losses import TILE, nt_xent, nt_xent_against, nt_xent_rows, sup_con
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits, nominal_bound_bits


def projections(k=7, width=5, seed=0):
    return torch.randn(2, k, width, generator=torch.Generator().manual_seed(seed))


def nt_xent_by_hand(z_x, z_y, temperature):
    """Eq. 2 in float64: the mean over both directions of Eq. 3, one pair of projections at a time."""
    z = [*z_x.double(), *z_y.double()]
    k = len(z_x)
    total = 0.0
    for i in range(2 * k):
        similarity = [torch.dot(z[i], z[j]) / (z[i].norm() * z[j].norm()) for j in range(2 * k)]
        positive = similarity[(i + k) % (2 * k)] / temperature
        others = [(similarity[j] / temperature).exp() for j in range(2 * k) if j != i]
        assert len(others) == 2 * k - 1
        total = total - positive + torch.stack(others).sum().log()
    return total / (2 * k)


@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent_is_the_double_loop_of_eq_3(k, temperature):
    z_x, z_y = projections(k)
    ours, by_hand = nt_xent(z_x, z_y, temperature=temperature), nt_xent_by_hand(z_x, z_y, temperature)
    assert ours.item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_its_gradient_is_that_of_the_double_loop():
    z = projections().requires_grad_()
    (ours,) = torch.autograd.grad(nt_xent(*z, temperature=0.5), z)
    (by_hand,) = torch.autograd.grad(nt_xent_by_hand(*z, 0.5), z)
    torch.testing.assert_close(ours, by_hand, atol=1e-6, rtol=0)


def test_its_temperature_gradient_is_that_of_the_double_loop():
    z = projections()
    temperature = torch.tensor(0.5, requires_grad=True)
    (ours,) = torch.autograd.grad(nt_xent(*z, temperature=temperature), temperature)
    (by_hand,) = torch.autograd.grad(nt_xent_by_hand(*z, temperature), temperature)
    assert ours.item() == pytest.approx(by_hand.item(), abs=1e-5)


def test_the_two_views_may_change_places():
    z_x, z_y = projections()
    rows, swapped = nt_xent_rows(z_x, z_y, temperature=0.2), nt_xent_rows(z_y, z_x, temperature=0.2)
    torch.testing.assert_close(rows, swapped)


def test_pairs_may_come_in_any_order():
    z = projections()
    order = torch.randperm(z.shape[1], generator=torch.Generator().manual_seed(1))
    rows = nt_xent_rows(*z, temperature=0.2)
    torch.testing.assert_close(nt_xent_rows(*z[:, order], temperature=0.2), rows[order])


def test_the_length_of_a_projection_does_not_matter():
    z = projections()
    lengths = torch.rand(*z.shape[:2], 1, generator=torch.Generator().manual_seed(2)) * 100 + 0.01
    torch.testing.assert_close(nt_xent_rows(*(z * lengths), temperature=0.2), nt_xent_rows(*z, temperature=0.2))


LENGTHS = [1e-37, 1e-30, 1e-12, 1e-6, 1e6, 1e12, 1e18, 1e20, 1e30, 1e37]
"""A square of most of them overflows or vanishes in float32."""


def sup_con_of_two(z_x, z_y, temperature):
    return sup_con(z_x, z_y, torch.arange(len(z_x)) // 2, temperature=temperature)


def against_half(z_x, z_y, temperature):
    k = len(z_x) // 2
    return nt_xent_against(z_x[:k], z_y[:k], torch.cat([z_x[k:], z_y[k:]]), temperature=temperature)


def of_pairs(z_x, z_y, temperature):
    return nt_xent(z_x, z_y, temperature=temperature)


LOSSES = [of_pairs, sup_con_of_two, against_half]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_and_its_gradient_are_right_at_any_length_that_float32_holds(loss, length):
    """In float64 no square of these overflows."""
    z = (projections(k=8) * length / 4).requires_grad_()
    exact = z.detach().double().requires_grad_()
    ours, expected = loss(*z, 0.5), loss(*exact, 0.5)
    assert ours.item() == pytest.approx(expected.item(), abs=1e-5)
    (slope,), (wanted,) = torch.autograd.grad(ours, z), torch.autograd.grad(expected, exact)
    shown = slope.double() * length
    torch.testing.assert_close(shown, wanted * length, atol=3e-4 if length > 1e36 else 1e-5, rtol=0)
    assert shown.abs().max() > 0.01


@pytest.mark.parametrize("length", LENGTHS)
def test_nt_xent_at_any_length_is_the_double_loop(length):
    z_x, z_y = projections() * length / 4
    assert nt_xent(z_x, z_y, temperature=0.5).item() == pytest.approx(nt_xent_by_hand(z_x, z_y, 0.5).item(), abs=1e-5)


def test_projections_of_one_batch_may_differ_in_length_by_70_orders_of_magnitude():
    z_x, z_y = projections()
    lengths = torch.logspace(-35, 35, len(z_x))[:, None]
    ours = nt_xent(z_x * lengths, z_y * lengths.flip(0), temperature=0.2)
    assert ours.item() == pytest.approx(nt_xent(z_x, z_y, temperature=0.2).item(), abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("lost", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_projection_that_is_not_finite_makes_the_loss_nan(loss, lost, everywhere):
    z = projections(k=8)
    z[(...,) if everywhere else (0, 1, 2)] = lost
    assert torch.isnan(loss(*z, 0.5))


@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_that_overflowed_makes_the_loss_nan(loss):
    assert torch.isnan(loss(*(projections(k=8) * 1e5).half(), 0.5))
    assert torch.isfinite(loss(*(projections(k=8) * 1e30).bfloat16(), 0.5))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_projection_of_zeros_is_as_near_to_all_and_its_gradient_is_finite(loss):
    z = projections(k=8)
    z[0, 0] = 0
    z.requires_grad_()
    value = loss(*z, 0.5)
    (slope,) = torch.autograd.grad(value, z)
    assert torch.isfinite(value) and torch.isfinite(slope).all()
    assert 0 < slope[0, 0].norm() < 10


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_the_reading_never_exceeds_its_nominal_bound(temperature):
    for seed in range(5):
        z_x, _ = projections(k=8, width=8, seed=seed)
        assert nominal_bound_bits(8) - bits(nt_xent(z_x, z_x, temperature=temperature).item()) <= nominal_bound_bits(8)
        assert nt_xent(z_x, z_x, temperature=temperature) > 0


def test_identical_embeddings_give_the_loss_log_2k_minus_1():
    z = torch.ones(16, 3)
    assert nt_xent(z, z, temperature=0.3).item() == pytest.approx(log(31), abs=1e-6)


def test_orthogonal_pairs_give_the_closed_form_at_every_temperature():
    z = torch.eye(16)
    for temperature in (0.1, 0.3, 0.5):
        floor = log(1 + 30 * exp(-1 / temperature))
        assert nt_xent(z, z, temperature=temperature).item() == pytest.approx(floor, abs=1e-6)


@pytest.mark.parametrize(("n_classes", "k"), [(4, 8), (64, 4), (64, 64)])
def test_perfect_codes_of_iid_classes_read_the_nominal_ceiling(n_classes, k):
    draws = torch.randint(n_classes, (2000, k), generator=torch.Generator().manual_seed(0))
    codes = torch.eye(n_classes)
    readings = torch.tensor([
        nominal_bound_bits(k) - bits(nt_xent(codes[c], codes[c], temperature=0.02).item()) for c in draws
    ])  # fmt: skip
    standard_error = readings.std().item() / len(draws) ** 0.5
    assert abs(readings.mean().item() - LabelChannel.uniform(n_classes).nominal_ceiling_bits(k)) < 4 * standard_error


def test_half_precision_projections_are_compared_in_float32():
    z = projections().bfloat16()
    loss = nt_xent(*z, temperature=0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(nt_xent_by_hand(*z, 0.1).item(), abs=1e-5)


# Tiles


def nt_xent_at_once(z_x, z_y, temperature):
    """Eq. 2 with the whole similarity matrix in memory."""
    z = torch.nn.functional.normalize(torch.cat([z_x, z_y]), dim=1)
    scores = (z @ z.T / temperature).fill_diagonal_(float("-inf"))
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(z)).roll(len(z_x)))


@pytest.mark.parametrize("k", [TILE // 2, TILE // 2 + 1, TILE + 37])
def test_tiles_change_neither_the_loss_nor_its_gradients(k):
    inputs = [*projections(k, width=16), torch.tensor(0.1)]
    tiled, whole = ([t.clone().double().requires_grad_() for t in inputs] for _ in range(2))
    ours = nt_xent(tiled[0].float(), tiled[1].float(), temperature=tiled[2].float())
    expected = nt_xent_at_once(*whole)
    assert ours.item() == pytest.approx(expected.item(), abs=1e-6)
    ours.backward()
    expected.backward()
    for mine, theirs in zip(tiled, whole, strict=True):
        assert (mine.grad - theirs.grad).norm() < 1e-6 * theirs.grad.norm()


MEASURE = """
import sys, torch
sys.path.insert(0, sys.argv[3])
from tests.compute.training.test_losses import nt_xent_at_once
from mi_ray.compute.training.losses import nt_xent
tiled, k = sys.argv[1] == "tiled", int(sys.argv[2])
loss = lambda x, y: nt_xent(x, y, temperature=0.1) if tiled else nt_xent_at_once(x, y, 0.1)
def run(k):
    x, y = torch.randn(2, k, 128).unbind()
    loss(x.requires_grad_(), y.requires_grad_()).backward()
run(64)
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
run(k)
print(peak() - before)
"""
"""The peak is that of the process alone: getrusage would count its parent's, from before the fork."""


def test_memory_at_k_4096_is_an_eighth_of_the_whole_matrix_at_most():
    root = str(Path(__file__).parents[3])
    kilobytes = [
        int(subprocess.run([sys.executable, "-c", MEASURE, how, "4096", root], capture_output=True, check=True).stdout)
        for how in ("tiled", "whole")
    ]
    assert kilobytes[0] <= kilobytes[1] / 8


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
    """Eqs. 2-3 in float64 where the only negatives are those of D-, one anchor at a time."""
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
