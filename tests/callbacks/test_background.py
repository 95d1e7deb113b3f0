import threading
import time

import lightning.pytorch as pl
import pytest
from examples import dataset_rows, write_dataset
from fits import HeldGrader, events, run_at, small_evaluation, tiny_fit
from records import composition, small_catalogue
from tiny import save_tiny_model

from skillmix_lightning.callbacks import grader_services
from skillmix_lightning.callbacks.background import BackgroundGrading, Job
from skillmix_lightning.callbacks.grader_services import Money, Spending, check_grader
from skillmix_lightning.errors import InputError
from skillmix_lightning.graders import EndpointGrader
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.runs import Run
from skillmix_lightning.scoring import METRICS

TAG = "skillmix/train/k1/full_marks"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    dataset = write_dataset(folder / "d.jsonl", dataset_rows(12))
    return str(save_tiny_model(folder / "model")), str(dataset)


class Watch(pl.Callback):
    """What was graded, and which metrics could be monitored, after each step."""

    def __init__(self, evaluation):
        self.evaluation = evaluation
        self.scored = {}
        self.monitored = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.scored[trainer.global_step] = sorted(self.evaluation.history)
        self.monitored[trainer.global_step] = TAG in trainer.callback_metrics


class Broken:
    name = "broken"

    def __init__(self, error):
        self.error = error

    def grade(self, compositions, gradings=1):
        yield Grade(compositions[0].combination.id, compositions[0].generation, 0, self.name, "refused", {}, "No.")
        raise self.error


def test_the_fit_goes_on_while_a_grader_holds_its_grades_and_the_end_waits_for_them(paths, tmp_path):
    let = threading.Event()
    evaluation = small_evaluation(every_n_steps=2, grader=HeldGrader(let.is_set))

    class LetAtTheEnd(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            let.set()

    watch = Watch(evaluation)
    tiny_fit(*paths, tmp_path, evaluation, callbacks=(watch, LetAtTheEnd()))
    assert watch.scored == {step: [] for step in range(1, 7)}
    assert list(evaluation.history) == [0, 2, 4, 6]
    assert [event.step for event in events(tmp_path).Scalars(TAG)] == [0, 2, 4, 6]


def test_scores_that_come_during_a_later_step_are_logged_at_their_own(paths, tmp_path):
    class LetsAtStepFour(pl.Callback):
        let = threading.Event()

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 4:
                self.let.set()
                while evaluation._scores._grading._done.qsize() < 2:
                    time.sleep(0.01)

    lets = LetsAtStepFour()
    evaluation = small_evaluation(every_n_steps=3, grader=HeldGrader(lets.let.is_set))
    watch = Watch(evaluation)
    tiny_fit(*paths, tmp_path, evaluation, callbacks=(lets, watch))
    assert (watch.scored[5], watch.scored[6]) == ([], [0, 3])  # it looks before the evaluation does
    assert (watch.monitored[5], watch.monitored[6]) == (False, True)
    assert [event.step for event in events(tmp_path).Scalars(TAG)] == [0, 3, 6]


def test_waiting_for_scores_lets_a_monitor_see_those_of_the_same_step(paths, tmp_path):
    evaluation = small_evaluation(wait_for_scores=True)
    seen = {}

    class Monitor(pl.callbacks.Checkpoint):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            seen[trainer.global_step] = {
                name: trainer.callback_metrics[f"skillmix/train/k1/{name}"] for name in METRICS
            }

    tiny_fit(*paths, tmp_path, evaluation, callbacks=(Monitor(),))
    for step, at in ((1, 0), (3, 3), (6, 6)):
        [row] = [row for row in evaluation.history[at] if (row.split, row.k) == ("train", 1)]
        assert {name: float(value) for name, value in seen[step].items()} == {n: getattr(row, n) for n in METRICS}


def test_a_fit_that_stopped_waiting_is_gone_on_with_by_the_same_command(paths, tmp_path):
    held = small_evaluation(grader=HeldGrader(lambda: False), grading_timeout_s=0.1)
    with pytest.warns(
        UserWarning, match=r"step 0: 8 grades are missing .* such texts are unscored and the fit goes on"
    ):
        _, trainer = tiny_fit(*paths, tmp_path, held)
    trainer.save_checkpoint(tmp_path / "done.ckpt")
    assert [row.unscored for row in held.history[0]] == [2, 2, 2, 2]
    again = small_evaluation(grader=HeldGrader(lambda: True))
    # The first process's worker would still hold the run; a process that ends lets go of it.
    for step in (0, 3, 6):
        (run_at(tmp_path, step).folder / ".lock").unlink()
    tiny_fit(*paths, tmp_path, again, ckpt_path=str(tmp_path / "done.ckpt"))
    assert [len(run_at(tmp_path, step).grades()) for step in (0, 3, 6)] == [8, 8, 8]
    assert all(row.unscored == 0 for step in (0, 3, 6) for row in again.history[step])


def test_another_fit_in_the_same_folder_is_refused(paths, tmp_path):
    tiny_fit(*paths, tmp_path, small_evaluation(every_n_steps=0, at_end=False), max_steps=1)
    manifest = run_at(tmp_path, 0).manifest_file
    manifest.write_text(manifest.read_text().replace('"learning_rate": 0.01', '"learning_rate": 0.02'))
    with pytest.raises(InputError, match="holds the evaluations of another fit; give this fit a log folder of its own"):
        tiny_fit(*paths, tmp_path, small_evaluation(), max_steps=1)


def graded_by(grader, gradings):
    return BackgroundGrading(grader, gradings, Spending(grader, Money()))


def job(folder, step, count=2):
    run = Run.start(folder / str(step), {})
    run.add_compositions([composition(f"c{i}") for i in range(count)])
    return Job(step, run, 1.5, (1,))


@pytest.mark.parametrize(
    "error", [RuntimeError("it fell over"), InputError("no such model"), OSError("the disk is full")]
)
def test_whatever_a_grader_raises_leaves_texts_unscored(tmp_path, error):
    grading = graded_by(Broken(error), gradings=2)
    grading.submit(job(tmp_path, 5))
    [graded] = grading.finished(limit_s=30)
    assert graded.trouble == f"4 grades are missing or have no points ({error})"
    assert (graded.result.step, graded.result.seconds_generating, graded.result.failed_ranks) == (5, 1.5, (1,))
    assert len(graded.result.grades) == 1
    assert graded.result.scores[0].full_marks is None
    grading.close()


def test_what_is_given_up_is_scored_as_far_as_it_is_graded(tmp_path):
    grading = graded_by(HeldGrader(lambda: False), gradings=1)
    grading.submit(job(tmp_path, 1))
    grading.submit(job(tmp_path, 2))
    assert grading.finished() == []
    assert [(graded.step, graded.trouble) for graded in grading.give_up()] == [
        (1, "2 grades are missing or have no points (none came)"),
        (2, "2 grades are missing or have no points (none came)"),
    ]
    assert grading.finished() == []


def endpoint_grader(server):
    return EndpointGrader("gpt-x", catalogue=small_catalogue(), base_url=server.base_url, api_key_env="TEST_KEY")


def test_a_grader_that_answers_is_asked_once(server):
    check_grader(endpoint_grader(server))
    assert [call["messages"][0]["content"] for call in server.calls] == ["Reply with OK."]


def test_a_grader_that_does_not_answer_is_said_with_what_to_set(server, monkeypatch):
    monkeypatch.setattr(grader_services, "CHECK_S", 0.2)
    server.delay_s = 3600
    with pytest.raises(InputError, match=r"the grader gpt-x at http://\S+ has not answered .* start its server"):
        check_grader(endpoint_grader(server))
