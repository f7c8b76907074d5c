"""NT-Xent against a slow double loop written from its formula, then its laws at any length and in tiles."""

import subprocess
import sys
from math import exp, log
from pathlib import Path

import pytest
import torch

from mi_ray.compute.training.losses import TILE, nt_xent, nt_xent_against, nt_xent_rows, sup_con
from mi_ray.theory.channel import LabelChannel
from mi_ray.theory.information import bits, nominal_bound_bits
from tests.compute.training.losses_by_hand import nt_xent_by_hand, projections


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
sys.path.insert(0, sys.argv[1])
from tests.compute.training.test_losses import nt_xent_at_once
from mi_ray.compute.training.losses import nt_xent
def run(k, loss):
    x, y = torch.randn(2, k, 128).unbind()
    loss(x.requires_grad_(), y.requires_grad_()).backward()
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
for loss in (lambda x, y: nt_xent(x, y, temperature=0.1), lambda x, y: nt_xent_at_once(x, y, 0.1)):
    run(64, loss)
    before = peak()
    run(4096, loss)
    print(peak() - before)
"""
"""The peak is that of the process alone: getrusage would count its parent's, from before the fork. The whole matrix
comes second, so that its rise is measured from the peak of the tiles: less than it takes from scratch."""


def test_memory_at_k_4096_is_an_eighth_of_the_whole_matrix_at_most():
    command = [sys.executable, "-c", MEASURE, str(Path(__file__).parents[3])]
    tiled, whole = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
    assert tiled <= whole / 8
