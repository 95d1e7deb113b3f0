"""Which precision a machine gets: bf16 only where its hardware multiplies in it."""

import pytest
import torch

from skillmix_lightning.models import fastest_precision


@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "expected"),
    [(False, False, "32-true"), (True, False, "bf16-mixed"), (False, True, "bf16-mixed")],
)
def test_a_cpu_computes_in_bf16_if_it_has_instructions_for_it(monkeypatch, avx512_bf16, amx, expected):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert fastest_precision("cpu") == expected


def test_other_devices_compute_in_fp32():
    assert fastest_precision("mps") == "32-true"
