"""Principal axes of embeddings."""

import pytest
import torch

from mi_ray.compute.numerics.axes import PrincipalAxes


def test_axes_are_found_in_double_precision_where_single_does_not_converge(monkeypatch):
    h = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    expected, single = PrincipalAxes(h)(h), torch.linalg.eigh

    def stubborn(matrix):
        if matrix.dtype == torch.float32:
            raise torch.linalg.LinAlgError("did not converge")
        return single(matrix)

    monkeypatch.setattr(torch.linalg, "eigh", stubborn)
    assert PrincipalAxes(h)(h).abs() == pytest.approx(expected.abs(), abs=1e-4)
