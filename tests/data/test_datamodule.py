import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from examples import dataset_rows, write_dataset
from jsonargparse import ArgumentParser
from tiny import save_tiny_model

from skillmix_lightning.data import PretrainingText, SkillMixDataModule
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


@pytest.mark.parametrize("layout", ["padded", "padding_free"])
@pytest.mark.parametrize("settings", [{"micro_batch_size": 3}, {"micro_batch_tokens": 300, "max_length": 300}])
def test_both_layouts_and_both_limits_serve_the_same_examples_in_the_same_steps(model, dataset, layout, settings):
    data = SkillMixDataModule(dataset, model, global_batch_size=8, validation_share=0.2, layout=layout, **settings)
    data.setup("fit")
    plain = SkillMixDataModule(dataset, model, global_batch_size=8, micro_batch_size=8, validation_share=0.2)
    plain.setup("fit")
    for loader in ("train_dataloader", "val_dataloader"):
        steps, plain_steps = (list(islice(getattr(module, loader)(), 6)) for module in (data, plain))
        assert len(steps) == len(plain_steps)
        for step, plain_step in zip(steps, plain_steps, strict=True):
            assert labels_of(step) == labels_of(plain_step)
            assert sum(len(m["weights"]) for m in step["micro_batches"]) == len(plain_step["sources"][0])


def labels_of(step):
    return sorted(
        tuple(m["labels"][m["examples"] == index].tolist())
        for m in step["micro_batches"]
        for index in range(len(m["weights"]))
    )


def test_several_files_are_one_data_set_of_which_ks_and_a_subset_are_taken(model, tmp_path):
    paths = [str(write_dataset(tmp_path / f"d{k}.jsonl", dataset_rows(20, k=k))) for k in (1, 2, 3)]
    data = SkillMixDataModule(
        paths, model, ks=[1, 3], subset=15, subset_mix={3: 5}, validation_share=0.1, global_batch_size=4
    )
    data.setup("fit")
    assert data.paths == [Path(path) for path in paths]
    assert Counter(e.k for e in data.train_examples) == {1: 10, 3: 5}
    assert {e.k for e in data.val_examples} <= {1, 3}
    assert len(data.val_examples) == 4


def test_what_was_read_is_reported_by_file_and_k(model, tmp_path, monkeypatch):
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    paths = [str(write_dataset(tmp_path / f"d{k}.jsonl", dataset_rows(6, k=k))) for k in (1, 2)]
    said = []
    monkeypatch.setattr("skillmix_lightning.data.datamodule.rank_zero_info", said.append)
    data = SkillMixDataModule(paths, model, validation_share=0, pretraining=pretraining_text(tmp_path, ratio=0.25))
    data.setup("fit")
    first, second, text = said
    assert first.startswith(f"training, {paths[0]}: 6 examples (k=1: 6), ")
    assert second.startswith(f"training, {paths[1]}: 6 examples (k=2: 6), ")
    assert text.startswith(f"pre-training text, {tmp_path / 'text.jsonl'}: 30 pieces, ")
    assert text.endswith("25.0% of the examples, each target with weight 0.5")


def pretraining_text(folder, **settings):
    path = folder / "text.jsonl"
    path.write_text("".join(json.dumps({"text": f"Document {i} is about knots."}) + "\n" for i in range(30)))
    return PretrainingText(str(path), weight=0.5, **settings)


def test_pre_training_text_takes_its_share_of_training_steps_and_none_of_validation(
    model, dataset, tmp_path, monkeypatch
):
    monkeypatch.setenv("SKILLMIX_CHECKPOINTS", str(tmp_path))
    text = pretraining_text(tmp_path, ratio=0.25)
    data = SkillMixDataModule(dataset, model, global_batch_size=8, validation_share=0.2, pretraining=text)
    data.prepare_data()
    data.setup("fit")
    seen = Counter()
    for step in islice(data.train_dataloader(), 15):
        sources = [source for of_micro_batch in step["sources"] for source, _ in of_micro_batch]
        assert Counter(sources) == {"skillmix": 6, "pretraining": 2}
        pieces = [
            tuple(m["input_ids"][m["examples"] == index].tolist())
            for m, of_micro_batch in zip(step["micro_batches"], step["sources"], strict=True)
            for index, (source, _) in enumerate(of_micro_batch)
            if source == "pretraining"
        ]
        seen.update(pieces)
        targets = sum(len(piece) - 1 for piece in pieces)
        assert float(step["step_weight"]) == int(step["step_targets"]) - targets / 2
    assert set(seen.values()) == {1}  # 15 steps of two are one pass over 30 documents
    assert len(seen) == 30
    assert {s for step in data.val_dataloader() for m in step["sources"] for s, _ in m} == {"skillmix"}


def test_settings_are_kept_as_plain_values(dataset, tmp_path):
    data = SkillMixDataModule(dataset, pretraining=pretraining_text(tmp_path, ratio=0.25))
    assert data.hparams["pretraining"]["ratio"] == 0.25
    assert data.hparams["max_length"] == 1024
    assert SkillMixDataModule(dataset).hparams["pretraining"] is None


def test_the_command_line_takes_lists_mixes_and_pre_training_text():
    parser = ArgumentParser()
    parser.add_class_arguments(SkillMixDataModule, "data")
    given = ["--data.dataset=[d1.jsonl, d2.jsonl]", "--data.subset=8000", "--data.subset_mix={3: 2000}"]
    text = ["--data.pretraining.data=text.jsonl", "--data.pretraining.ratio=0.1"]
    data = parser.instantiate(parser.parse_args([*given, *text, "--data.ks=[1, 3]"])).data
    assert (data.datasets, data.subset_mix, data.ks) == (["d1.jsonl", "d2.jsonl"], {3: 2000}, [1, 3])
    assert data.pretraining == PretrainingText("text.jsonl", 0.1)
    alone = parser.instantiate(parser.parse_args(["--data.dataset=d1.jsonl"])).data
    assert (alone.datasets, alone.pretraining) == (["d1.jsonl"], None)


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
        SkillMixDataModule(
            ["a.jsonl", "a.jsonl"],
            ks=[0],
            subset_mix={2: 5},
            global_batch_size=0,
            max_length=-1,
            validation_share=1.0,
            pretraining=PretrainingText("text.jsonl", ratio=1.5, weight=0.0, max_length=2048),
            micro_batch_tokens=1024,
        )
    for problem in (
        "global_batch_size is 0",
        "max_length is -1",
        "validation_share is 1.0",
        "ks[0] is 0",
        "dataset names a.jsonl more than once",
        "subset_mix is given without subset",
        "subset_mix names k = 2, which ks leaves out",
        "pretraining.ratio is 1.5",
        "pretraining.weight is 0.0",
        "micro_batch_tokens is 1024, and must be at least 2048, the longest example's",
    ):
        assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_names_are_checked_against_a_catalogue_on_request(model, tmp_path):
    rows = dataset_rows(3)
    rows[1]["topic"] = "Sowing"
    path = write_dataset(tmp_path / "d.jsonl", rows)
    with pytest.raises(InputError, match='line 2: no topic is called "Sowing" in the catalogue; did you mean "Sewing"'):
        SkillMixDataModule(str(path), model, catalogue="verifiable").setup("fit")
