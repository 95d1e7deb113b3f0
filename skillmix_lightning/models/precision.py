"""What a machine computes fastest in, with weights in fp32."""

import os
from typing import Literal

import torch

# oneDNN keeps what it has built for each of the last 1024 shapes it met, and no two batches of texts have the same: up
# to 4 GB for SmolLM2-135M in bf16. A step meets some 50 at a time; read when the first of them is computed.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

Precision = Literal["bf16-mixed", "32-true"]


def fastest_precision(device_type: str) -> Precision:
    """bf16 where the hardware multiplies in it, else fp32.

    SmolLM2-135M on two cores trains at 430 tokens/s instead of 200 where the CPU has avx512_bf16; without it, bf16 is
    emulated and 100 times slower than fp32.

    Args:
        device_type: "cpu", "cuda", …
    """
    if device_type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if device_type == "cpu":
        flags = (torch.cpu._is_avx512_bf16_supported(), torch.cpu._is_amx_tile_supported())
        return "bf16-mixed" if any(flags) else "32-true"
    return "32-true"
