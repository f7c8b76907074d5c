"""The number type that networks run in: bfloat16 on hardware that is faster in it, else float32."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch

from mi_ray.compute.choices import Precision


def number_type(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type of ``precision`` on ``device``; ``auto`` depends on the hardware alone, not on timings."""
    if precision == "auto":
        return torch.bfloat16 if bfloat16_is_faster(device) else torch.float32
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """A context that autocasts to ``dtype``; for float32 it does nothing."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def bfloat16_is_faster(device: torch.device) -> bool:
    """Whether ``device`` is CUDA with native bfloat16, a CPU with AMX, or an AMD CPU with AVX512-BF16;
    `benchmarks/training_step.py` measures the speeds."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return False
    return "amx_bf16" in cpu or ("AuthenticAMD" in cpu and "avx512_bf16" in cpu)
