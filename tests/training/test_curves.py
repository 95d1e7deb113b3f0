"""The loss curve is that of a plain PyTorch loop, however the steps are cut, laid out and spread over ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from curves import BATCH, RATE, STEPS, steps
from tiny import save_tiny_model
from transformers import AutoModelForCausalLM

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[1] / "support" / "curves.py"
CASES = {
    1: [
        {"strategy": "auto", "micro_batch_size": 1, "layout": "padded"},
        {"strategy": "auto", "micro_batch_size": 16, "layout": "padded"},
        {"strategy": "auto", "micro_batch_size": 2, "layout": "padding_free", "settings": {"logits_chunk": 5}},
        {"strategy": "auto", "micro_batch_size": 16, "layout": "padding_free", "attn": "eager"},
        {"strategy": "auto", "micro_batch_size": 4, "settings": {"activation_checkpointing": "full"}},
        {"strategy": "fsdp2", "micro_batch_size": 16, "layout": "padded"},
        {"strategy": "fsdp2", "micro_batch_size": 3, "layout": "padding_free"},
    ],
    2: [
        {"strategy": "ddp", "micro_batch_size": 3, "layout": "padded"},
        {"strategy": "fsdp2", "micro_batch_size": 2, "layout": "padded"},
        {"strategy": "fsdp2", "micro_batch_size": 8, "layout": "padding_free"},
        {
            "strategy": "fsdp2",
            "micro_batch_size": 4,
            "layout": "padding_free",
            "settings": {
                "activation_checkpointing": "selective",
                "logits_chunk": 11,
                "defer_gradient_sync": True,
                "reshard_after_forward": False,
            },
        },
    ],
    4: [
        {"strategy": "fsdp2", "micro_batch_size": 1, "layout": "padded"},
        {
            "strategy": "fsdp2",
            "micro_batch_size": 4,
            "layout": "padding_free",
            "settings": {"activation_checkpointing": "full"},
        },
    ],
}
CLIPPED = {"strategy": "fsdp2", "micro_batch_size": 4, "settings": {"gradient_clip": 0.2}}
ADAPTERS = {"strategy": "fsdp2", "micro_batch_size": 4, "settings": {"lora": {"rank": 4}}}
LOW = {"strategy": "fsdp2", "micro_batch_size": 4, "layout": "padding_free", "precision": "bf16-mixed"}
ALSO = {1: [{**CLIPPED, "strategy": "auto"}, {**ADAPTERS, "strategy": "auto"}], 2: [CLIPPED, ADAPTERS, LOW], 4: []}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def results(model, tmp_path_factory):
    """For every number of ranks, what each of its cases gave."""
    folder = tmp_path_factory.mktemp("curves")
    found = {}
    for ranks in CASES:
        given, out = folder / f"cases-{ranks}.json", folder / f"out-{ranks}.json"
        cases = [as_run(case, model) for case in CASES[ranks] + ALSO[ranks]]
        given.write_text(json.dumps(cases))
        command = [sys.executable, str(SCRIPT), str(ranks), str(given), str(out)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr[-3000:]
        found[ranks] = json.loads(out.read_text())
    return found


def as_run(case, model):
    settings = dict(case.get("settings", {}))
    if "attn" in case:
        settings["attn_implementation"] = case["attn"]
    return {**case, "model": model, "settings": settings}


def plain_loop(folder):
    """The same fit, one example at a time, with all logits."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    losses, norms = [], []
    for number, step in enumerate(steps()):
        optimizer.param_groups[0]["lr"] = RATE * min(1, (number + 1) / 4)
        weight = sum(example.weight * sum(example.targets) for example in step)
        loss = 0
        for example in step:
            ids = torch.tensor([example.input_ids])
            log_probabilities = model(ids).logits[0, :-1].log_softmax(-1)
            picked = log_probabilities.gather(1, ids[0, 1:, None])[:, 0]
            loss = loss - example.weight * picked[torch.tensor(example.targets[1:])].sum() / weight
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.stack([p.grad.norm() for p in model.parameters()]).norm().item())
        optimizer.step()
        optimizer.zero_grad()
    return losses, norms


@pytest.fixture(scope="module")
def plain(model):
    return plain_loop(model)


@pytest.mark.parametrize(
    ("ranks", "number"), [(ranks, number) for ranks, cases in CASES.items() for number in range(len(cases))]
)
def test_the_curve_is_the_plain_loops(results, plain, ranks, number):
    losses, norms = plain
    assert len(losses) == STEPS
    assert losses[-1] < losses[0] - 1
    assert results[ranks][number]["losses"] == pytest.approx(losses, rel=1e-5)
    assert results[ranks][number]["norms"] == pytest.approx(norms, rel=1e-4)


def test_clipping_bounds_the_norm_over_all_ranks(results, plain):
    one, two = (results[ranks][len(CASES[ranks])] for ranks in (1, 2))
    assert one["losses"][0] == pytest.approx(plain[0][0], rel=1e-5)
    assert one["losses"] != pytest.approx(plain[0], rel=1e-5)
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    assert two["norms"] == pytest.approx(one["norms"], rel=1e-4)


def test_adapters_train_alike_on_any_number_of_ranks(results, plain):
    one, two = (results[ranks][len(CASES[ranks]) + 1] for ranks in (1, 2))
    assert one["losses"][0] == pytest.approx(plain[0][0], rel=1e-5)
    assert one["losses"][-1] < one["losses"][0] - 0.1
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)


def test_bf16_follows_the_fp32_curve_with_fp32_weights(results, plain):
    low = results[2][len(CASES[2]) + 2]
    assert low["losses"] != pytest.approx(plain[0], rel=1e-5)
    assert low["losses"] == pytest.approx(plain[0], rel=2e-2)
    assert low["dtypes"] == ["torch.float32"]
    assert low["buffers"] == results[2][1]["buffers"]


def test_names_types_ties_and_buffers_are_the_plain_models_and_shards_are_shares(results, model):
    whole = AutoModelForCausalLM.from_pretrained(model)
    size = sum(parameter.numel() for parameter in whole.parameters())
    buffers = {name: [str(buffer.dtype), buffer.double().sum().item()] for name, buffer in whole.named_buffers()}
    for ranks, cases in CASES.items():
        for case, result in zip(cases, results[ranks], strict=False):
            assert result["names"] == sorted(whole.state_dict())
            assert result["dtypes"] == ["torch.float32"]
            assert result["tied"]
            assert result["buffers"] == buffers
            share = size / ranks if case["strategy"] == "fsdp2" else size
            assert result["local"] == pytest.approx(share, rel=0.01)


def test_a_step_has_as_many_examples_as_was_said():
    assert {len(step) for step in steps()} == {BATCH}
