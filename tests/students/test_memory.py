import pytest
import torch
from tiny import save_tiny_model

from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.students import memory
from skillmix_lightning.students.memory import bytes_per_text, cache_bytes_per_token, free_memory, texts_at_once

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_causal_lm(str(save_tiny_model(tmp_path_factory.mktemp("tiny"))))


def test_a_tokens_keys_and_values_are_as_large_as_the_caches(model):
    cache = model(torch.arange(7)[None], use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert cache_bytes_per_token(model, torch.float32) == held // 7
    assert cache_bytes_per_token(model, torch.bfloat16) == held // 14


def test_as_many_texts_as_the_free_memory_holds(model, monkeypatch):
    of_one = bytes_per_text(model, 100, 200, torch.float32)
    assert of_one > 200 * cache_bytes_per_token(model, torch.float32)

    def fit(free, autocast=False):
        monkeypatch.setattr(memory, "free_memory", lambda device: free / memory.SHARE_OF_FREE_MEMORY)
        return texts_at_once(model, 100, 200, torch.float32, autocast)

    assert fit(5.5 * of_one) == 5
    assert fit(0) == 1
    assert fit(1e15) == 64
    cast = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert fit(5.5 * of_one + cast, autocast=True) == 5


def test_longer_texts_take_more_memory(model):
    sizes = [
        bytes_per_text(model, prompt, longest, torch.float32) for prompt, longest in ((10, 20), (10, 30), (20, 30))
    ]
    assert sizes == sorted(set(sizes))


def test_ranks_share_the_memory_of_their_machine():
    alone, shared = free_memory(CPU), free_memory(CPU, local_ranks=1000)
    assert alone > 2**20
    assert 0 < shared < alone / 500
