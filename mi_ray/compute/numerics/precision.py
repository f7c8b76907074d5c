"""Which number type the networks run in: bfloat16 where the hardware is faster at it, float32 elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch

from mi_ray.compute.choices import Precision


def number_type(precision: Precision, device: torch.device) -> torch.dtype:
    """Resolve ``auto`` for ``device``; the answer depends on the hardware alone, never on a timing."""
    if precision == "auto":
        return torch.bfloat16 if bfloat16_is_faster(device) else torch.float32
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[precision]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager:
    """Autocast to ``dtype``, or nothing for float32."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def bfloat16_is_faster(device: torch.device) -> bool:
    """CUDA, processors with AMX, and AMD's with AVX512-BF16; `benchmarks/training_step.py` measures it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return False
    return "amx_bf16" in cpu or ("AuthenticAMD" in cpu and "avx512_bf16" in cpu)
