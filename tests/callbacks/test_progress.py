"""What the progress bar of a fit shows while texts are graded beside it, as a terminal gets it."""

import io
import re
import threading
import time

import lightning.pytorch as pl
import pytest
from examples import dataset_rows, write_dataset
from fits import small_evaluation
from lightning.pytorch.loggers import TensorBoardLogger
from tiny import save_tiny_model

from skillmix_lightning.callbacks import StepProgressBar
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.training import SkillMixModule

TEXTS = 4


class OneByOne(CheckerGrader):
    """Gives one grade at each step of the fit, and gives up after so many."""

    name = "one by one"

    def __init__(self, at_most=TEXTS):
        super().__init__()
        self.at_most = at_most
        self.let = threading.Semaphore(0)

    def grade(self, compositions, gradings=1):
        for number, each in enumerate(super().grade(compositions, gradings)):
            if number == self.at_most:
                raise RuntimeError("it gives up")
            self.let.acquire()
            yield type(each)(**{**vars(each), "grader": self.name})


class Paces(pl.Callback):
    """Lets one grade come in each step, and has the bar drawn once grading is so far; it comes after the bar."""

    def __init__(self, grader, evaluation, screen):
        self.grader, self.evaluation, self.screen = grader, evaluation, screen
        self.told, self.drawn = [], []

    def setup(self, trainer, pl_module, stage):
        self.evaluation.watch_grading(self.told.append)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.grader.let.release()
        deadline = time.monotonic() + 60
        while not self.told or (self.told[-1] is not None and self.told[-1].graded < trainer.global_step):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while trainer.global_step >= self.grader.at_most and self.told[-1] is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.screen.seek(0)
        self.screen.truncate()
        trainer.progress_bar_callback.refresh(hard=True)
        self.drawn.append(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.screen.getvalue()))


@pytest.mark.parametrize("at_most", [TEXTS, 2])
def test_a_line_says_how_far_grading_is_and_goes_when_it_ends(tmp_path, at_most):
    model = str(save_tiny_model(tmp_path / "model"))
    dataset = str(write_dataset(tmp_path / "d.jsonl", dataset_rows(12)))
    screen, grader = io.StringIO(), OneByOne(at_most)
    bar = StepProgressBar(console_kwargs={"file": screen, "force_terminal": True, "width": 120})
    evaluation = small_evaluation(
        grader=grader, splits=["train"], ks=[1], combinations=TEXTS, every_n_steps=0, at_end=False, grading_timeout_s=1
    )
    paces = Paces(grader, evaluation, screen)
    pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=5,
        callbacks=[bar, evaluation, paces],
        logger=TensorBoardLogger(tmp_path, name="", version=""),
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    ).fit(
        SkillMixModule(model, learning_rate=1e-3),
        SkillMixDataModule(dataset, model, global_batch_size=4, micro_batch_size=1, validation_share=0),
    )
    lines = [[line for line in drawn.splitlines() if "grading" in line] for drawn in paces.drawn]
    assert all("optimizer steps" in drawn for drawn in paces.drawn)
    shown = [re.search(r"grading step 0 .* (\d+/\d+)", line[-1]).group(1) for line in lines if line]
    assert shown == [f"{number}/{TEXTS}" for number in range(1, at_most)]
    assert [bool(line) for line in lines] == [True] * (at_most - 1) + [False] * (5 - at_most + 1)
