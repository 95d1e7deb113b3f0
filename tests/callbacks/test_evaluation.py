import json
import random
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from examples import dataset_rows, write_dataset
from fits import events, run_at, small_evaluation, tiny_fit
from tiny import save_tiny_model

from skillmix_lightning.callbacks.determinism import undisturbed
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return str(write_dataset(tmp_path_factory.mktemp("data") / "d.jsonl", dataset_rows(12)))


@pytest.fixture(scope="module")
def evaluated(model, dataset, tmp_path_factory):
    """A fit with evaluations at steps 0, 3 and 6: (its folder, module, callback)."""
    folder = tmp_path_factory.mktemp("evaluated")
    evaluation = small_evaluation()
    module, _ = tiny_fit(model, dataset, folder, evaluation)
    return folder, module, evaluation


def test_each_evaluation_is_a_standard_run(evaluated):
    folder, _, evaluation = evaluated
    assert sorted(p.name for p in (folder / "skillmix").iterdir()) == ["step=000000", "step=000003", "step=000006"]
    for step in (0, 3, 6):
        run = run_at(folder, step)
        assert len(run.compositions()) == len(run.grades()) == 2 * 2 * 2
        assert run.manifest()["step"] == step
        assert run.manifest()["catalogue_id"] == evaluation.plan.load_catalogue().id
        cells = [(row["split"], row["k"]) for row in json.loads(run.scores_file.read_text())["scores"]]
        assert cells == [("train", 1), ("train", 2), ("held_out", 1), ("held_out", 2)]


def test_every_evaluation_has_the_same_combinations(evaluated):
    folder, _, evaluation = evaluated
    ids = [{c.combination.id for c in run_at(folder, step).compositions()} for step in (0, 3, 6)]
    assert ids[0] == ids[1] == ids[2] == {combination.id for combination in evaluation.plan.draw()}


def test_tensorboard_has_each_metric_at_the_step_that_wrote_the_texts(evaluated):
    folder, _, evaluation = evaluated
    board = events(folder)
    for split in ("train", "held_out"):
        for k in (1, 2):
            for metric in ("full_marks", "all_skills", "skill_fraction"):
                logged = {e.step: e.value for e in board.Scalars(f"skillmix/{split}/k{k}/{metric}")}
                scores = {
                    step: getattr(row, metric)
                    for step, rows in evaluation.history.items()
                    for row in rows
                    if (row.split, row.k) == (split, k)
                }
                assert logged == pytest.approx(scores)
            texts = board.Tensors(f"skillmix/{split}/k{k}/texts/text_summary")
            assert [text.step for text in texts] == [0, 3, 6]


def test_the_training_curves_have_their_tags(evaluated):
    folder, _, _ = evaluated
    for tag in ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second"):
        assert [event.step for event in events(folder).Scalars(tag)] == list(range(6)), tag


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_training_is_bit_identical_with_and_without_evaluation(evaluated, model, dataset, tmp_path, temperature):
    with_evaluation, _ = tiny_fit(model, dataset, tmp_path, small_evaluation(every_n_steps=1, temperature=temperature))
    without, _ = tiny_fit(model, dataset, tmp_path / "without", None)
    for name, parameter in without.state_dict().items():
        assert torch.equal(parameter, with_evaluation.state_dict()[name]), name
        assert torch.equal(parameter, evaluated[1].state_dict()[name]), name


def test_random_states_and_train_modes_are_put_back_even_after_an_exception():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout())
    model[1].eval()
    pl.seed_everything(0)
    expected = (random.random(), np.random.rand(), torch.rand(1).item())
    pl.seed_everything(0)

    def disturb():
        with undisturbed(model):
            assert not model.training
            raise RuntimeError(random.random(), np.random.rand(), torch.rand(3))

    with pytest.raises(RuntimeError):
        disturb()
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


def test_a_resumed_fit_does_not_evaluate_its_start_again_and_compares_with_it(model, dataset, tmp_path):
    first = small_evaluation(at_end=False)
    _, trainer = tiny_fit(model, dataset, tmp_path / "a", first, max_steps=4)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    second = small_evaluation()
    tiny_fit(model, dataset, tmp_path / "b", second, ckpt_path=str(tmp_path / "stopped.ckpt"))
    assert sorted(second.history) == [0, 3, 6]
    assert second.history[0] == first.history[0]
    assert not run_at(tmp_path / "b", 0).folder.exists()


def fit_on(dataset):
    """What the evaluation asks a trainer for when a fit is set up."""
    return SimpleNamespace(datamodule=SkillMixDataModule(dataset=dataset))


def test_what_the_data_set_holds_is_not_asked_for_and_the_rest_stays(tmp_path):
    evaluation = small_evaluation(combinations=8)
    before = list(evaluation.requests)
    trained = [
        {"skills": list(request.combination.skills)[::-1], "topic": request.combination.topic}
        for request in before[::2]
    ]
    evaluation.setup(fit_on(str(write_dataset(tmp_path / "d.jsonl", trained))), None, "fit")
    asked = {request.combination.id for request in evaluation.requests}
    assert len(asked) == len(before)
    assert asked & {request.combination.id for request in before} == {r.combination.id for r in before[1::2]}
    assert [(row.split, row.k, row.exact, row.combinations) for row in evaluation.contamination] == [
        (split, k, 0, 8) for split in ("train", "held_out") for k in (1, 2)
    ]


def test_a_fit_on_other_data_asks_for_what_the_plan_draws(dataset):
    evaluation = small_evaluation()
    drawn = list(evaluation.requests)
    evaluation.setup(SimpleNamespace(datamodule=None), None, "fit")
    evaluation.setup(fit_on(dataset), None, "validate")
    assert evaluation.requests == drawn
    assert evaluation.contamination == []


def test_each_run_says_what_of_its_combinations_was_seen_in_training(evaluated):
    folder, _, _ = evaluated
    for step in (0, 3, 6):
        rows = run_at(folder, step).manifest()["contamination"]
        assert [(row["split"], row["k"], row["combinations"], row["exact"]) for row in rows] == [
            ("train", 1, 2, 0),
            ("train", 2, 2, 0),
            ("held_out", 1, 2, 0),
            ("held_out", 2, 2, 0),
        ]
        assert [len(row["seen_together"]) for row in rows] == [1, 2, 1, 2]
        assert [row["topics_seen"] for row in rows[2:]] == [0, 0]  # held-out topics are in no training text


def test_the_contamination_table_is_printed_once(model, dataset, tmp_path, capfd):
    tiny_fit(model, dataset, tmp_path, small_evaluation(every_n_steps=0, ks=[1], combinations=1), max_steps=1)
    assert capfd.readouterr().out.count("Evaluated combinations seen in training") == 1


def test_a_plan_that_cannot_be_carried_out_is_refused_at_once():
    with pytest.raises(InputError, match=r"k=9: the catalogue's train split has \d+ skills, so k can be 1 to 8"):
        small_evaluation(ks=[9])


def test_settings_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"combinations is 0.*generations is -1"):
        small_evaluation(combinations=0, generations=-1)
