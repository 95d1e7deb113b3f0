"""Checkpoints of a fit that are ranked by scores which come later than they do."""

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
from examples import dataset_rows, write_dataset
from fits import small_evaluation, tiny_fit
from records import composition, grade
from tiny import save_tiny_model

from skillmix_lightning.callbacks import SkillMixCheckpoint
from skillmix_lightning.callbacks.ranking import Ranking, find_scorer
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.scoring import score

MONITOR = "skillmix/held_out/k1/full_marks"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranked")
    dataset = write_dataset(folder / "d.jsonl", dataset_rows(12))
    return str(save_tiny_model(folder / "model")), str(dataset)


class Scripted:
    """Gives full marks to so many texts of each evaluation, and gives up where the script says None.

    No grade comes before it is let.
    """

    name = "scripted"

    def __init__(self, *full_marks, held=False):
        self.full_marks = list(full_marks)
        self.let = threading.Event()
        if not held:
            self.let.set()

    def grade(self, compositions, gradings=1):
        self.let.wait()
        full = self.full_marks.pop(0)
        if full is None:
            raise RuntimeError("it has no opinion")
        for number, text in enumerate(compositions):
            names = [f"skill:{name}" for name in text.combination.skills] + ["topic", "sense", "length"]
            points = dict.fromkeys(names, int(number < full))
            yield Grade(text.combination.id, text.generation, 0, self.name, "ok", points)


class Watch(pl.callbacks.Checkpoint):
    """Lets the grader grade before a step, and notes after each what there is: it comes after the checkpoints."""

    def __init__(self, checkpoint, grader, let_before=None):
        self.checkpoint, self.grader, self.let_before = checkpoint, grader, let_before
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step + 1 == self.let_before:
            self.grader.let.set()
            evaluation = next(each for each in trainer.callbacks if hasattr(each, "awaits"))
            deadline = time.monotonic() + 60
            while evaluation._scores._grading._done.qsize() < len(evaluation._scores.open):
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.seen[trainer.global_step] = (best_of(self.checkpoint), kept(self.checkpoint.dirpath))


def best_of(checkpoint):
    return checkpoint.best_model_path.rpartition("=")[2]


def kept(folder):
    return [int(path.name.removeprefix("step=")) for path in sorted(Path(folder).glob("step=*"))]


def saving(folder, **settings):
    settings = {"monitor": MONITOR, "mode": "max", "every_n_train_steps": 2, **settings}
    return SkillMixCheckpoint(str(folder / "checkpoints"), **settings)


def evaluating(grader, **settings):
    settings = {"splits": ["held_out"], "ks": [1], "combinations": 4, "every_n_steps": 2, "at_start": False, **settings}
    return small_evaluation(grader=grader, batch_size=4, max_new_tokens=2, **settings)


def ranked_fit(paths, folder, grader, let_before=None, checkpoint=None, others=(), **settings):
    """A fit of 6 steps; returns its checkpoint callback, its watch and its trainer."""
    checkpoint = checkpoint or saving(folder)
    watch = Watch(checkpoint, grader, let_before)
    ckpt_path = settings.pop("ckpt_path", None)
    steps = settings.pop("max_steps", 6)
    callbacks = (*others, checkpoint, watch)
    evaluation = evaluating(grader, **settings)
    _, trainer = tiny_fit(*paths, folder, evaluation, callbacks=callbacks, ckpt_path=ckpt_path, max_steps=steps)
    return checkpoint, watch, trainer


def written(folder):
    return json.loads((folder / "checkpoints" / "ranking.json").read_text())


def test_a_score_that_comes_later_ranks_its_own_checkpoint_and_removes_the_beaten(paths, tmp_path):
    checkpoint, watch, trainer = ranked_fit(paths, tmp_path, Scripted(1, 3, 2, held=True), let_before=5)
    assert watch.seen[2] == watch.seen[3] == ("", [2])
    assert watch.seen[4] == ("", [2, 4])
    assert watch.seen[5] == ("000004", [4])
    assert (best_of(checkpoint), float(checkpoint.best_model_score)) == ("000004", 0.75)
    assert kept(checkpoint.dirpath) == [4, 6]  # `last` leads to the other
    assert (tmp_path / "checkpoints" / "last").resolve().name == "step=000006"
    assert written(tmp_path) == {
        "monitor": MONITOR,
        "best_first": [{"checkpoint": "step=000004", "score": 0.75}],
        "waiting": [],
        "unscored": [],
    }
    again = saving(tmp_path)
    assert again.find_best(trainer, trainer.lightning_module, trainer.datamodule).name == "step=000004"


def test_what_last_leads_to_is_removed_once_last_leads_elsewhere(paths, tmp_path):
    checkpoint, watch, _ = ranked_fit(paths, tmp_path, Scripted(3, 1, 2, held=True), let_before=5)
    assert watch.seen[4] == ("", [2, 4])
    assert watch.seen[5] == ("000002", [2, 4])
    assert watch.seen[6] == ("000002", [2, 6])
    assert (best_of(checkpoint), kept(checkpoint.dirpath)) == ("000002", [2, 6])


def test_waiting_for_scores_ranks_a_checkpoint_as_it_is_saved(paths, tmp_path):
    checkpoint, watch, _ = ranked_fit(paths, tmp_path, Scripted(2, 1, 4), wait_for_scores=True)
    assert watch.seen[2] == ("000002", [2])
    assert watch.seen[4] == ("000002", [2, 4])
    assert (best_of(checkpoint), kept(checkpoint.dirpath)) == ("000006", [6])


@pytest.mark.filterwarnings("ignore:step . 4 grades are missing")
def test_a_checkpoint_without_a_score_gives_its_place_up(paths, tmp_path):
    checkpoint = saving(tmp_path, save_top_k=2)
    ranked_fit(paths, tmp_path, Scripted(2, None, 1), checkpoint=checkpoint)
    assert (best_of(checkpoint), kept(checkpoint.dirpath)) == ("000002", [2, 6])


def test_a_killed_fit_ranks_what_waited_when_it_is_gone_on_with(paths, tmp_path):
    class Kills(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 4:
                raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        ranked_fit(paths, tmp_path, Scripted(held=True), others=(Kills(),))
    assert kept(tmp_path / "checkpoints") == [2, 4]
    assert written(tmp_path)["waiting"] == ["step=000002", "step=000004"]
    for run in (tmp_path / "skillmix").iterdir():
        (run / ".lock").unlink(missing_ok=True)  # the first process's worker would still hold the run
    checkpoint, watch, _ = ranked_fit(paths, tmp_path, Scripted(3, 1, 2), ckpt_path="last")
    assert sorted(watch.seen) == [5, 6]
    assert (best_of(checkpoint), kept(checkpoint.dirpath)) == ("000002", [2, 6])
    assert float(checkpoint.best_model_score) == 0.75


@pytest.mark.filterwarnings("ignore:step . 4 grades are missing")
def test_a_done_fit_that_is_started_again_ranks_what_is_graded_then(paths, tmp_path):
    held = Scripted(held=True)
    first, _, _ = ranked_fit(paths, tmp_path, held, checkpoint=saving(tmp_path, save_top_k=3), grading_timeout_s=0.1)
    assert (best_of(first), kept(first.dirpath)) == ("", [2, 4, 6])
    assert written(tmp_path)["unscored"] == ["step=000002", "step=000004", "step=000006"]
    for run in (tmp_path / "skillmix").iterdir():
        (run / ".lock").unlink(missing_ok=True)
    again = saving(tmp_path, save_top_k=1)
    ranked_fit(paths, tmp_path, Scripted(1, 4, 2), checkpoint=again, ckpt_path="last")
    assert (best_of(again), kept(again.dirpath)) == ("000004", [4, 6])


def test_only_checkpoints_of_evaluated_steps_are_ranked_which_is_warned_of(paths, tmp_path):
    with pytest.warns(UserWarning, match="checkpoints of steps that are not evaluated cannot be ranked by skillmix"):
        checkpoint, watch, _ = ranked_fit(paths, tmp_path, Scripted(4, 1), every_n_steps=3, wait_for_scores=True)
    assert watch.seen[3] == watch.seen[5] == ("", [])  # `last` holds steps 2 and 4
    assert (best_of(checkpoint), kept(checkpoint.dirpath)) == ("000006", [6])


@pytest.mark.parametrize(
    ("monitor", "mode", "evaluation", "says"),
    [
        (
            "skillmix/held_out/k9/full_marks",
            "max",
            {},
            "evaluation does not score it; it scores skillmix/held_out/k1/al",
        ),
        (MONITOR, "min", {}, f"mode is min, and of {MONITOR} the largest is best; set max"),
        (MONITOR, "max", {"every_n_steps": 5, "at_end": False}, "no step of 6 is both saved and evaluated"),
        (MONITOR, "max", {"every_n_steps": 0, "at_end": False}, "no step of 6 is both saved and evaluated"),
        (MONITOR, "max", None, "the fit's evaluation does not score it; there is none"),
    ],
)
def test_a_metric_that_ranks_nothing_is_refused(monitor, mode, evaluation, says):
    callbacks = [] if evaluation is None else [evaluating(Scripted(), **evaluation)]
    with pytest.raises(InputError, match=says):
        find_scorer(SimpleNamespace(callbacks=callbacks, max_steps=6), monitor, mode, 2)


def test_a_score_of_a_part_of_the_texts_is_none():
    texts = [composition(f"c{number}", ["metaphor"], split="held_out") for number in range(2)]
    grades = [grade(text, "1 111") for text in texts]
    plan = {"splits": ["held_out"], "ks": [1], "combinations": 2, "generations": 1, "gradings": 1}
    evaluation = evaluating(Scripted())
    evaluation.history[3] = score(texts, grades[:1], manifest={"plan": plan})
    evaluation.history[6] = score(texts, grades, manifest={"plan": plan})
    assert [evaluation.score_at(step, MONITOR) for step in (0, 3, 6)] == [None, None, 1.0]


def test_a_name_that_would_be_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"filename is \{step\}-\{val/loss:.2f\}, and a name with / would be"):
        SkillMixCheckpoint(str(tmp_path), filename="{step}-{val/loss:.2f}")


def settled(keep, *scores, waiting=()):
    """Best first, and what is removed, of checkpoints at steps 1, 2, … with these scores."""
    ranking = Ranking(MONITOR, keep)
    for step in range(1, len(scores) + 1):
        ranking.add(f"step={step}", step)
    removed = ranking.settle(lambda step, monitor: scores[step - 1], lambda step: step in waiting)
    return ranking.best_first(), sorted(removed)


@pytest.mark.parametrize(
    ("keep", "scores", "waiting", "best_first", "removed"),
    [
        (1, (0.5, 0.5), (), [1], [2]),  # of equals the first
        (2, (0.2, None, 0.1), (), [1, 3], [2]),
        (3, (0.2, None, 0.1), (), [1, 3], []),
        (1, (None, None, None), (), [], [1, 2]),  # of those without a score the newest
        (2, (None, 0.0, None), (), [2], [1]),
        (1, (0.1, None, None), (2,), [1], [3]),  # what waits takes no place
        (-1, (0.1, None, 0.3), (), [3, 1], []),
    ],
)
def test_the_best_are_kept_and_those_without_a_score_take_free_places(keep, scores, waiting, best_first, removed):
    names = [[f"step={step}" for step in steps] for steps in (best_first, removed)]
    assert settled(keep, *scores, waiting=waiting) == tuple(names)
