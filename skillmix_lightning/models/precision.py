"""What a machine computes fastest in, with weights in fp32."""

from typing import Literal

import torch

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
