"""Losses are compared with a plain PyTorch loop written here, not with the module's own code."""

import lightning.pytorch as pl
import pytest
import torch
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.data.batching import StepSampler
from skillmix_lightning.errors import InputError
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.loss import has_plain_head, token_mean_loss

STEPS = 12
BATCH = 8


class Curve(pl.Callback):
    """Keeps what was logged at each step."""

    def __init__(self):
        self.losses, self.rates, self.norms = [], [], []

    def on_train_batch_end(self, trainer, *_):
        self.losses.append(float(trainer.callback_metrics["train/loss"]))
        self.rates.append(float(trainer.callback_metrics["train/lr"]))
        self.norms.append(float(trainer.callback_metrics["train/grad_norm"]))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    rows = dataset_rows(20, prompts="paper-v1", k=2) + dataset_rows(20)
    return str(write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", rows))


def fit(model, dataset, tmp_path, micro_batch_size=4, **settings):
    curve = Curve()
    settings = {"learning_rate": 3e-3, "warmup_steps": 4, **settings}
    module = SkillMixModule(model, **settings)
    data = SkillMixDataModule(
        dataset, model, global_batch_size=BATCH, micro_batch_size=micro_batch_size, validation_share=0
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=STEPS,
        callbacks=[curve],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, data)
    return curve, module, data


def plain_loop(model_folder, examples):
    """The same fit, one example at a time, with all logits."""
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    sampler = iter(StepSampler(len(examples), BATCH, seed=0))
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, (step + 1) / 4)
        batch = [examples[i] for i in next(sampler)]
        count = sum(sum(example.targets) for example in batch)
        loss = 0
        for example in batch:
            ids = torch.tensor([example.input_ids])
            log_probabilities = model(ids).logits[0, :-1].log_softmax(-1)
            picked = log_probabilities.gather(1, ids[0, 1:, None])[:, 0]
            loss = loss - picked[torch.tensor(example.targets[1:])].sum() / count
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    return losses


def test_the_loss_curve_does_not_depend_on_the_micro_batch_and_is_the_plain_loops(model, dataset, tmp_path):
    curves = {size: fit(model, dataset, tmp_path, size) for size in (1, 2, 4, 8)}
    _, _, data = curves[1]
    expected = plain_loop(model, data.train_examples)
    assert expected[-1] < expected[0] - 0.5
    for size, (curve, _, _) in curves.items():
        assert curve.losses == pytest.approx(expected, rel=1e-5), f"micro-batches of {size}"


def test_the_rate_rises_over_the_warm_up_and_is_constant_then(model, dataset, tmp_path):
    curve, _, _ = fit(model, dataset, tmp_path)
    assert curve.rates == pytest.approx([3e-3 * min(1, (step + 1) / 4) for step in range(STEPS)])


def test_without_a_warm_up_the_rate_is_constant(model, dataset, tmp_path):
    curve, _, _ = fit(model, dataset, tmp_path, warmup_steps=0)
    assert curve.rates == pytest.approx([3e-3] * STEPS)


def test_a_micro_batch_without_targets_adds_nothing():
    head = torch.nn.Linear(4, 10)
    hidden = torch.randn(1, 3, 4, requires_grad=True)
    loss = token_mean_loss(hidden, torch.full((1, 3), -100), head, torch.tensor(5))
    loss.backward()
    assert float(loss) == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_clipping_bounds_the_update(model, dataset, tmp_path):
    free, _, _ = fit(model, dataset, tmp_path)
    clipped, _, _ = fit(model, dataset, tmp_path, gradient_clip=0.1)
    assert clipped.losses[0] == free.losses[0]
    assert clipped.norms[0] == free.norms[0] > 0.1  # the norm that is logged is the one before clipping
    assert clipped.losses != free.losses


def test_adamw_decays_weights_and_adam_by_default_does_not(model, dataset, tmp_path):
    _, plain, _ = fit(model, dataset, tmp_path)
    _, decayed, _ = fit(model, dataset, tmp_path, optimizer="adamw", weight_decay=1.0)
    norm = [sum(float(p.norm()) for p in module.parameters()) for module in (plain, decayed)]
    assert norm[1] < norm[0]


def test_weights_gradients_and_optimizer_are_fp32(model, dataset, tmp_path):
    _, module, _ = fit(model, dataset, tmp_path)
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_a_model_that_caps_its_logits_is_trained_through_its_own_forward(model):
    config = Gemma2Config(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        final_logit_softcapping=0.05,
    )
    assert not has_plain_head(Gemma2ForCausalLM(config))
    assert has_plain_head(AutoModelForCausalLM.from_pretrained(model))


def test_all_settings_out_of_range_are_listed_at_once():
    with pytest.raises(InputError, match=r"learning_rate is 0.0.*; warmup_steps is -1.*; gradient_clip is 0.0"):
        SkillMixModule(learning_rate=0.0, warmup_steps=-1, gradient_clip=0.0)
