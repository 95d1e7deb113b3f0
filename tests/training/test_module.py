"""The module on one device; test_curves.py compares its losses with a plain PyTorch loop, on several too."""

import shutil

import lightning.pytorch as pl
import pytest
import torch
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.adapters import LoraSettings

STEPS = 6
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
    return str(write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", dataset_rows(20)))


def quiet_trainer(tmp_path, callbacks=()):
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=STEPS,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
    )


def fit(model, dataset, tmp_path, micro_batch_size=4, callbacks=(), **settings):
    curve = Curve()
    settings = {"learning_rate": 3e-3, "warmup_steps": 4, **settings}
    module = SkillMixModule(model, **settings)
    data = SkillMixDataModule(
        dataset, model, global_batch_size=BATCH, micro_batch_size=micro_batch_size, validation_share=0
    )
    trainer = quiet_trainer(tmp_path, [curve, *callbacks])
    trainer.fit(module, data)
    return curve, module, data


def test_the_rate_rises_over_the_warm_up_and_is_constant_then(model, dataset, tmp_path):
    curve, _, _ = fit(model, dataset, tmp_path)
    assert curve.rates == pytest.approx([3e-3 * min(1, (step + 1) / 4) for step in range(STEPS)])


def test_without_a_warm_up_the_rate_is_constant(model, dataset, tmp_path):
    curve, _, _ = fit(model, dataset, tmp_path, warmup_steps=0)
    assert curve.rates == pytest.approx([3e-3] * STEPS)


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


def test_all_settings_out_of_range_are_listed_at_once():
    with pytest.raises(
        InputError,
        match=r"learning_rate is 0.0.*; warmup_steps is -1.*; gradient_clip is 0.0.*; logits_chunk is 0.*; "
        "quantization is nf4, and such weights cannot be trained; set lora too",
    ):
        SkillMixModule(learning_rate=0.0, warmup_steps=-1, gradient_clip=0.0, logits_chunk=0, quantization="nf4")


def test_hyper_parameters_are_primitives():
    module = SkillMixModule(lora=LoraSettings(rank=4))
    assert module.hparams["lora"] == {"rank": 4, "alpha": 32, "dropout": 0.0, "target_modules": "all-linear"}
    assert module.hparams["learning_rate"] == 2e-5


def test_a_step_reports_the_loss_and_the_targets_of_every_example(model, dataset, tmp_path):
    seen = []

    class Outputs(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, *_):
            seen.append((outputs, batch))

    fit(model, dataset, tmp_path, micro_batch_size=3, callbacks=[Outputs()])
    assert len(seen) == STEPS
    for outputs, batch in seen:
        losses, targets = torch.cat(outputs["example_losses"]), torch.cat(outputs["example_targets"])
        assert losses.shape == targets.shape == (BATCH,)
        assert not losses.requires_grad
        assert targets.sum() == batch["step_targets"]
        assert losses.sum() / targets.sum() == pytest.approx(outputs["loss"].item(), rel=1e-5)


def test_validation_is_the_mean_over_all_target_tokens(model, dataset, tmp_path):
    module = SkillMixModule(model)
    data = SkillMixDataModule(dataset, model, global_batch_size=BATCH, micro_batch_size=3, validation_share=0.5)
    trainer = quiet_trainer(tmp_path)
    (logged,) = trainer.validate(module, data, verbose=False)
    total = count = 0.0
    for example in data.val_examples:
        ids = torch.tensor([example.input_ids])
        with torch.no_grad():
            log_probabilities = module.model(ids).logits[0, :-1].log_softmax(-1)
        picked = log_probabilities.gather(1, ids[0, 1:, None])[:, 0][torch.tensor(example.targets[1:])]
        total, count = total - picked.sum().item(), count + len(picked)
    assert logged["val/loss"] == pytest.approx(total / count, rel=1e-5)


@pytest.fixture
def sharded():
    """Gives a module the mesh of four ranks, of which only this one is there, and a trainer."""
    torch.distributed.init_process_group("fake", rank=1, world_size=4, store=FakeStore())

    def prepare(module, **trainer_settings):
        module._device_mesh = init_device_mesh("cpu", (4, 1), mesh_dim_names=("data_parallel", "tensor_parallel"))
        module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **trainer_settings)
        return module

    yield prepare
    torch.distributed.destroy_process_group()


def test_a_sharded_fit_that_resumes_reads_no_weights(sharded, model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    resumed = sharded(SkillMixModule(str(folder)))
    resumed.resuming = True
    resumed.configure_model()
    assert not any(parameter.is_meta for parameter in resumed.parameters())
    with pytest.raises(InputError, match=r"holds neither model.safetensors nor model.safetensors.index.json"):
        sharded(SkillMixModule(str(folder))).configure_model()


def test_settings_that_do_not_go_with_shards_are_refused(sharded, model):
    module = sharded(SkillMixModule(model, lora=LoraSettings(), quantization="nf4"), precision="bf16-true")
    with pytest.raises(InputError, match=r"quantization works on one GPU only.*; precision bf16-true does not work"):
        module.configure_model()
