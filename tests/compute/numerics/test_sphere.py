"""Directions of vectors of any length."""

import pytest
import torch
from torch.nn.functional import normalize

from mi_ray.compute.numerics.sphere import directions


def rows(dtype=torch.float32):
    return torch.randn(50, 7, generator=torch.Generator().manual_seed(0)).to(dtype)


def slopes(function, z):
    z = z.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(z).pow(3).sum(), z)
    return found


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_at_ordinary_lengths_value_and_gradient_are_those_of_torch_to_the_bit(length):
    z = rows() * length
    assert torch.equal(directions(z), normalize(z, dim=1))
    assert torch.equal(slopes(directions, z), slopes(lambda z: normalize(z, dim=1), z))


@pytest.mark.parametrize(("dtype", "lengths"), [(torch.float32, (1e-37, 1e37)), (torch.float64, (1e-300, 1e300))])
def test_no_square_overflows_or_vanishes(dtype, lengths):
    for length in lengths:
        torch.testing.assert_close(directions(rows(dtype) * length), normalize(rows(dtype), dim=1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_small_number_types_become_float32(dtype):
    found = directions(rows(dtype))
    assert found.dtype == torch.float32
    assert found.norm(dim=1) == pytest.approx(torch.ones(50), abs=1e-6)


def test_zeros_stay_zeros_and_others_are_not_touched_by_them():
    z = rows()
    z[3] = 0
    assert (directions(z)[3] == 0).all()
    assert torch.equal(directions(z)[4:], directions(rows())[4:])
    assert torch.isfinite(slopes(directions, z)).all()


@pytest.mark.parametrize("lost", [float("inf"), float("-inf"), float("nan")])
def test_a_row_that_is_not_finite_has_no_direction_and_harms_no_other(lost):
    z = rows()
    z[3, 2] = lost
    found = directions(z)
    assert found[3].isnan().any()
    assert found[torch.arange(50) != 3].isfinite().all()
