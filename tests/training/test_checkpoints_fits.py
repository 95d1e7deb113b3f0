"""What `SkillMixCheckpoint` keeps of fits in this process, and what it refuses."""

import json
import warnings

import pytest
import torch
from resume import fit, prepare, saving
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from skillmix_lightning.callbacks.checkpointing import SkillMixCheckpoint
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError
from skillmix_lightning.training import SkillMixModule, checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("fits"))


@pytest.fixture(scope="module")
def done(folder):
    """A fit of 8 steps."""
    fit(folder, "done")
    return folder / "done" / "checkpoints"


def names(path):
    return sorted(item.name for item in path.iterdir())


def test_the_newest_checkpoint_and_a_link_to_it_are_kept(done):
    assert names(done) == ["last", "step=000008"]
    assert (done / "last").resolve().name == "step=000008"


def test_a_checkpoint_holds_what_its_layout_says(done):
    path = done / "step=000008"
    assert {"complete.json", "trainer.pt", "tensors", "random", "model"} == set(names(path))
    assert {"config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja"} <= set(
        names(path / "model")
    )
    mark = json.loads((path / "complete.json").read_text())
    assert (mark["step"], mark["world_size"]) == (8, 1)


def test_torchs_own_tools_read_the_tensors(done, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_to_torch_save(done / "step=000008" / "tensors", tmp_path / "all.pt")
    found = torch.load(tmp_path / "all.pt", weights_only=True)
    assert found["weights/model.model.embed_tokens.weight"].dtype == torch.float32
    assert "weights/model.lm_head.weight" not in found  # tied


def test_the_newest_k_are_kept(folder):
    fit(folder, "two", checkpoint=saving(folder, "two", 2, save_top_k=2))
    assert names(folder / "two" / "checkpoints") == ["last", "step=000006", "step=000008"]


def test_the_best_by_a_metric_is_kept_beside_the_last_and_found_again(folder):
    checkpoint = saving(folder, "best", 2, monitor="val/loss", mode="max")  # the loss falls: the first is the largest
    fit(folder, "best", checkpoint=checkpoint)
    assert names(folder / "best" / "checkpoints") == ["last", "step=000002"]
    assert checkpoints.read_mark(folder / "best" / "checkpoints" / "last").step == 8
    again = saving(folder, "best", 2, monitor="val/loss", mode="max")
    trainer = fit(folder, "best", steps=9, checkpoint=again)
    best = again.find_best(trainer, trainer.lightning_module, trainer.datamodule)
    assert best is not None
    assert best.name == "step=000002"


def test_a_resumed_fit_leaves_nothing_of_its_starts_behind(folder):
    for steps in (3, 5, 8):
        fit(folder, "starts", steps=steps)
    assert names(folder / "starts" / "checkpoints") == ["last", "step=000008"]


def test_last_is_never_a_fit_with_other_settings(folder):
    fit(folder, "other", steps=3)
    trainer = fit(folder, "other", steps=2, betas=(0.8, 0.9))
    assert trainer.global_step == 2  # from its own start


def test_weights_only_can_be_validated_and_not_resumed(folder):
    checkpoint = saving(folder, "weights", save_weights_only=True)
    fit(folder, "weights", checkpoint=checkpoint)
    path = folder / "weights" / "checkpoints" / "step=000008"
    with pytest.raises(InputError, match="holds weights only"):
        fit(folder, "again", ckpt_path=str(path))


@pytest.mark.parametrize("ending", ["nowhere", "model"])
def test_what_is_no_checkpoint_is_refused(folder, ending):
    with pytest.raises(InputError, match="checkpoint"):
        fit(folder, "refused", ckpt_path=str(folder / ending))


def test_another_models_checkpoint_is_refused(folder, done):
    config = json.loads((folder / "model" / "config.json").read_text())
    other = folder / "other_model"
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    LlamaForCausalLM(LlamaConfig(**{**config, "num_hidden_layers": 1, "intermediate_size": 48})).save_pretrained(other)
    AutoTokenizer.from_pretrained(folder / "model").save_pretrained(other)
    with pytest.raises(InputError, match=r"is not this model's checkpoint.*the model has no.*in the model"):
        fit(folder, "refused", model="other_model", ckpt_path=str(done / "last"))


def test_another_optimizer_is_refused(folder, done):
    with pytest.raises(InputError, match="its optimizer is Adam and this fit's AdamW"):
        fit(folder, "refused", optimizer="adamw", ckpt_path=str(done / "last"))


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"save_top_k is -2.*every_n_train_steps is 0"):
        SkillMixCheckpoint(save_top_k=-2, every_n_train_steps=0)


def test_hyper_parameters_are_plain(done):
    saved = checkpoints.load_plain(done / "step=000008" / "trainer.pt")
    assert saved["hyper_parameters"]["learning_rate"] == 1e-3
    assert saved["datamodule_hyper_parameters"]["global_batch_size"] == 4
    assert SkillMixModule.CHECKPOINT_HYPER_PARAMS_KEY == "hyper_parameters"
    assert SkillMixDataModule.CHECKPOINT_HYPER_PARAMS_KEY == "datamodule_hyper_parameters"
