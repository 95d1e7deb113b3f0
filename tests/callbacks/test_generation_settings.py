"""What a fit writes, and how it goes on, where its forward pass is not the plain one."""

from contextlib import nullcontext
from functools import partialmethod

import lightning.pytorch as pl
import pytest
import torch
from examples import dataset_rows, write_dataset
from fits import replies, small_evaluation
from lightning.pytorch.loggers import TensorBoardLogger
from talking import with_something_to_say
from tiny import save_tiny_model
from torch import nn
from torch._dynamo.utils import counters

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.models import load_causal_lm, load_tokenizer
from skillmix_lightning.students.transformers import TransformersStudent
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.training.adapters import LoraSettings

STEPS = 3
LORA = LoraSettings(rank=4, alpha=16, dropout=0.1)
SETTINGS = {"lora": {"lora": LORA}, "compiled": {"compile": True}, "bf16": {}}


def fit(folder, name, evaluation):
    """A fit on one text again and again, so that blocks are compiled for one length only; returns its module."""
    pl.seed_everything(0, verbose=False)
    model = str(folder.parent / "model")
    module = SkillMixModule(model, learning_rate=1e-2, warmup_steps=0, **SETTINGS[name])
    dataset = str(folder.parent / "d.jsonl")
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        precision="bf16-mixed" if name == "bf16" else "32-true",
        max_steps=STEPS,
        callbacks=[evaluation] if evaluation else [],
        logger=TensorBoardLogger(folder, name="", version=""),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, SkillMixDataModule(dataset, model, global_batch_size=2, micro_batch_size=2, validation_share=0))
    return module


@pytest.fixture(scope="module", params=SETTINGS)
def fits(request, tmp_path_factory):
    """(Which, the evaluated fit's folder, module and evaluation, the module of one without, graphs of both)."""
    folder = tmp_path_factory.mktemp(request.param)
    with_something_to_say(save_tiny_model(folder / "model"))
    (row,) = dataset_rows(1)
    write_dataset(folder / "d.jsonl", [{**row, "id": str(number)} for number in range(4)])
    evaluation = small_evaluation(every_n_steps=1, temperature=0.0)
    with pytest.MonkeyPatch.context() as patch:  # code for the CPU takes the compiler half a minute
        patch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
        modules, graphs = [], []
        for where, callback in (("evaluated", evaluation), ("plain", None)):
            torch._dynamo.reset()
            counters.clear()
            modules.append(fit(folder / where, request.param, callback))
            graphs.append(counters["stats"]["unique_graphs"])
    return request.param, folder / "evaluated", modules[0], evaluation, modules[1], graphs


def plain_model(module):
    """A model of its own with the fit's weights, adapters added by hand."""
    model = load_causal_lm(module.model_name)
    trained = {name.replace("_orig_mod.", ""): weight.detach() for name, weight in module.model.named_parameters()}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            layer = name.removesuffix(".weight")
            if name in trained:
                weight.copy_(trained[name])
            else:
                a, b = (trained[f"{layer}.lora_{part}.default.weight"] for part in "AB")
                weight.copy_(trained[f"{layer}.base_layer.weight"] + LORA.scaling * b @ a)
    return model


def test_training_goes_on_bit_for_bit(fits):
    _, _, evaluated, _, plain, _ = fits
    expected = dict(plain.named_parameters())
    started = dict(load_causal_lm(plain.model_name).named_parameters())
    for name, weight in evaluated.named_parameters():
        assert torch.equal(weight, expected[name]), name
    trained = dict(plain_model(plain).named_parameters())
    assert any(not torch.equal(trained[name], weight) for name, weight in started.items())


def test_only_training_compiles(fits):
    name, _, _, _, _, graphs = fits
    assert graphs[0] == graphs[1]
    assert (graphs[1] > 0) == (name == "compiled")


def test_texts_are_those_of_the_same_weights_outside_the_fit(fits):
    name, folder, module, evaluation, _, _ = fits
    tokenizer = load_tokenizer(module.model_name)
    generation = evaluation.generation
    student = TransformersStudent(
        plain_model(module), tokenizer, 0.0, generation.max_new_tokens, generation.batch_size, autocast=False
    )
    with torch.autocast("cpu", torch.bfloat16) if name == "bf16" else nullcontext():
        outside = {c.combination.id: c.turns[-1]["content"] for c in student.write(evaluation.plan.requests())}
    within = replies(folder, (0, STEPS))
    assert within[STEPS] == outside
    assert within[STEPS] != within[0]
    assert len(set(outside.values())) > 4
