from itertools import islice

import pytest
from examples import dataset_rows, write_dataset
from tiny import save_tiny_model

from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", dataset_rows(40)))


def test_a_step_is_the_global_batch_whatever_the_micro_batch(model, dataset):
    targets = set()
    for micro_batch_size in (1, 3, 16):
        data = SkillMixDataModule(dataset, model, global_batch_size=16, micro_batch_size=micro_batch_size)
        data.setup("fit")
        step = next(iter(data.train_dataloader()))
        assert sum(len(m["input_ids"]) for m in step["micro_batches"]) == 16
        targets.add(int(step["step_targets"]))
    assert len(targets) == 1


def test_training_never_ends_and_validation_sees_each_example_once(model, dataset):
    data = SkillMixDataModule(dataset, model, global_batch_size=16, validation_share=0.5)
    data.setup("fit")
    assert (len(data.train_examples), len(data.val_examples)) == (20, 20)
    assert sum(1 for _ in islice(data.train_dataloader(), 9)) == 9
    seen = [len(m["input_ids"]) for step in data.val_dataloader() for m in step["micro_batches"]]
    assert sum(seen) == 20


def test_without_a_validation_share_there_is_no_validation(model, dataset):
    data = SkillMixDataModule(dataset, model, validation_share=0)
    data.setup("fit")
    assert (len(data.train_examples), data.val_dataloader()) == (40, [])


def test_two_turn_examples_train_on_both_answers(model, tmp_path):
    rows = dataset_rows(4, prompts="paper-v1", k=2)
    data = SkillMixDataModule(str(write_dataset(tmp_path / "d.jsonl", rows)), model, validation_share=0)
    data.setup("fit")
    end = 2  # <|im_end|>
    for example in data.train_examples:
        assert (
            sum(token == end and target for token, target in zip(example.input_ids, example.targets, strict=True)) == 2
        )


@pytest.mark.parametrize("overflow", ["drop", "truncate"])
def test_the_policy_for_long_examples_is_carried_out_and_counted(model, dataset, overflow, monkeypatch):
    data = SkillMixDataModule(dataset, model, validation_share=0)
    data.setup("fit")
    limit = sorted(map(len, data.train_examples))[19]
    longer = sum(len(example) > limit for example in data.train_examples)
    data = SkillMixDataModule(dataset, model, validation_share=0, max_length=limit, overflow=overflow)
    said = []
    monkeypatch.setattr("skillmix_lightning.data.datamodule.rank_zero_info", said.append)
    data.setup("fit")
    assert len(data.train_examples) == (40 if overflow == "truncate" else 40 - longer)
    assert max(map(len, data.train_examples)) == limit
    assert f"{longer} longer than {limit} tokens ({overflow})" in said[0]


def test_a_long_example_can_be_an_error_that_names_the_longest(model, dataset):
    with pytest.raises(InputError, match=r"40 examples have more than 5 tokens; the longest, id \w+-0, has \d+"):
        SkillMixDataModule(dataset, model, validation_share=0, max_length=5, overflow="error").setup("fit")


def test_nothing_left_after_the_length_limit_is_an_error(model, dataset):
    with pytest.raises(InputError, match=r"no example has at most 5 tokens; raise --data.max_length"):
        SkillMixDataModule(dataset, model, max_length=5).setup("fit")


def test_all_settings_out_of_range_are_listed_at_once():
    with pytest.raises(InputError) as error:
        SkillMixDataModule(global_batch_size=0, max_length=-1, validation_share=1.0)
    assert "global_batch_size is 0" in str(error.value)
    assert "max_length is -1" in str(error.value)
    assert "validation_share is 1.0" in str(error.value)


def test_names_are_checked_against_a_catalogue_on_request(model, tmp_path):
    rows = dataset_rows(3)
    rows[1]["topic"] = "Sowing"
    path = write_dataset(tmp_path / "d.jsonl", rows)
    with pytest.raises(InputError, match='line 2: no topic is called "Sowing" in the catalogue; did you mean "Sewing"'):
        SkillMixDataModule(str(path), model, catalogue="verifiable").setup("fit")
