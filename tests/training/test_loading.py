import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import save_tiny_model, tiny_tokenizer
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.models.meta import build_on_meta, weights_folder
from skillmix_lightning.training.adapters import LoraSettings, add_lora, initialize_lora, plain_name
from skillmix_lightning.training.loading import grow_vocabulary, load_shards, materialize
from skillmix_lightning.training.parallelize import parallelize

SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "pad_token_id": None,
}
KINDS = {
    "llama": LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=False)),
    "llama-tied": LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "llama-3-rope": LlamaForCausalLM(
        LlamaConfig(
            **SIZES,
            rope_parameters={
                "rope_type": "llama3",
                "rope_theta": 5e5,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        )
    ),
    "mistral": MistralForCausalLM(MistralConfig(**SIZES)),
    "qwen2": Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "gemma2": Gemma2ForCausalLM(Gemma2Config(**SIZES, head_dim=8)),
}


@pytest.fixture
def as_rank():
    """Becomes one rank of several, of which only this one is there; gives the mesh."""

    def become(rank, ranks):
        leave()
        torch.distributed.init_process_group("fake", rank=rank, world_size=ranks, store=FakeStore())
        return init_device_mesh("cpu", (ranks,))

    def leave():
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    yield become
    leave()


def saved(model, folder, **options):
    model.save_pretrained(folder, **options)
    return folder


def load(folder, mesh, vocabulary=0, lora=None):
    model = build_on_meta(str(folder), vocabulary=vocabulary)
    if lora:
        add_lora(model, lora)
    parallelize(model, mesh)
    materialize(model, torch.device("cpu"))
    if lora:
        initialize_lora(model)
    load_shards(model, weights_folder(str(folder)))
    return model


def put_together(shards):
    """The whole tensors, by name, from every rank's model."""
    parts = [{name: tensor.to_local() for name, tensor in model.state_dict().items()} for model in shards]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("kind", KINDS)
def test_the_shards_of_all_ranks_are_the_files_tensors_and_buffers_are_computed(kind, tmp_path, as_rank):
    folder = saved(KINDS[kind], tmp_path)
    expected = AutoModelForCausalLM.from_pretrained(folder)
    models = [load(folder, as_rank(rank, 3)) for rank in range(3)]  # 50 rows do not divide by 3
    whole = put_together(models)
    assert whole.keys() == expected.state_dict().keys()
    for name, tensor in expected.state_dict().items():
        assert torch.equal(whole[name], tensor), name
    buffers = dict(expected.named_buffers())
    for model in models:
        assert dict(model.named_buffers()).keys() == buffers.keys()
        for name, buffer in model.named_buffers():
            assert torch.equal(buffer, buffers[name]), name
        tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
        assert tied == expected.config.tie_word_embeddings


def test_many_files_in_bf16_are_read_into_fp32(tmp_path, as_rank):
    model = KINDS["llama"]
    folder = saved(LlamaForCausalLM(model.config).bfloat16(), tmp_path, max_shard_size="3KB")
    assert len(list(folder.glob("*.safetensors"))) > 3
    expected = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()
    whole = put_together([load(folder, as_rank(rank, 2)) for rank in range(2)])
    for name, tensor in whole.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, expected[name]), name


def test_tokens_beyond_the_files_get_the_mean_embedding_sharded_or_not(tmp_path, as_rank):
    folder = saved(KINDS["llama"], tmp_path)
    whole = load_causal_lm(str(folder))
    grow_vocabulary(whole, 53)
    for weight in (whole.get_input_embeddings().weight, whole.get_output_embeddings().weight):
        assert weight.shape == (53, 16)
        torch.testing.assert_close(weight[50:], weight[:50].mean(0).expand(3, -1))
    assert whole.config.vocab_size == 53
    sharded = put_together([load(folder, as_rank(rank, 4), vocabulary=53) for rank in range(4)])
    for name, tensor in whole.state_dict().items():
        assert torch.equal(sharded[name], tensor), name


def test_a_vocabulary_that_suffices_is_left_alone(tmp_path):
    folder = saved(KINDS["llama"], tmp_path)
    model = load_causal_lm(str(folder))
    grow_vocabulary(model, 50)
    assert model.get_input_embeddings().weight.shape == (50, 16)
    assert build_on_meta(str(folder), vocabulary=7).config.vocab_size == 50


def test_what_is_under_adapters_is_read(tmp_path, as_rank):
    folder = saved(KINDS["llama"], tmp_path)
    expected = load_file(folder / "model.safetensors")
    lora = LoraSettings(rank=4)
    whole = put_together([load(folder, as_rank(rank, 2), lora=lora) for rank in range(2)])
    plain = {plain_name(name): tensor for name, tensor in whole.items() if plain_name(name)}
    assert plain.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(plain[name], tensor), name
    assert len(whole) == len(plain) + 3 * 7 * 2
    assert not any(tensor.any() for name, tensor in whole.items() if "lora_B" in name)


def test_missing_and_unexpected_tensors_are_listed_at_once(tmp_path, as_rank):
    folder = saved(KINDS["llama"], tmp_path)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.norm.weight"], tensors["model.layers.1.mlp.up_proj.weight"]
    tensors["model.extra.weight"] = torch.zeros(2)
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(2)  # old files have it; it is computed
    save_file(tensors, file)
    with pytest.raises(
        InputError,
        match=r"2 of the model's weights are not in its files: model.layers.1.mlp.up_proj.weight, model.norm.weight; "
        r"1 weights in its files are not the model's: model.extra.weight$",
    ):
        load(folder, as_rank(0, 2))


def test_a_tensor_of_another_shape_is_named(tmp_path, as_rank):
    folder = saved(KINDS["llama"], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 26, "vocab_size": 48}))
    with pytest.raises(
        InputError, match=r"embed_tokens.weight is \(50, 16\) in its file and \(48, 16\) in the model.*"
    ):
        load(folder, as_rank(0, 2))


def test_a_file_that_is_cut_or_missing_is_named(tmp_path, as_rank):
    folder = saved(KINDS["llama"], tmp_path, max_shard_size="3KB")
    mesh = as_rank(0, 2)
    first = sorted(folder.glob("*.safetensors"))[0]
    first.write_bytes(first.read_bytes()[:100])
    with pytest.raises(InputError, match=rf"{first.name}: is no whole safetensors file"):
        load(folder, mesh)
    first.unlink()
    with pytest.raises(InputError, match=f"{first.name}, which the index names, is missing"):
        load(folder, mesh)


def test_the_generation_config_comes_along(tmp_path):
    folder = save_tiny_model(tmp_path)
    (folder / "generation_config.json").write_text('{"temperature": 0.5, "do_sample": true}')
    model = build_on_meta(str(folder))
    assert model.generation_config.temperature == 0.5
    assert model.get_input_embeddings().weight.shape[0] == len(tiny_tokenizer())
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "unheard-of"}')
    with pytest.raises(InputError, match="the model cannot be built"):
        build_on_meta(str(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its memory from /proc")
def test_a_rank_needs_the_memory_of_its_share_and_one_slice(tmp_path, as_rank):
    torch.manual_seed(0)
    sizes = {**SIZES, "vocab_size": 8000, "hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 4}
    model = LlamaForCausalLM(LlamaConfig(**sizes))
    whole = sum(parameter.nbytes for parameter in model.parameters())
    largest = max(parameter.nbytes for parameter in model.parameters())
    folder = saved(model, tmp_path)
    del model
    mesh = as_rank(1, 4)
    load(folder, mesh)  # what is allocated once, whatever the model
    before, peak, done = anonymous_memory(), [0], threading.Event()

    def watch():
        while not done.wait(0.001):
            peak[0] = max(peak[0], anonymous_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    load(folder, mesh)
    done.set()
    watcher.join()
    assert whole > 150e6
    assert peak[0] - before < whole / 4 + largest


def anonymous_memory():
    """Bytes of this process that are no file's: mapped files are the system's cache."""
    (line,) = (row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
