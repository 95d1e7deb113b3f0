"""`test` and `predict`: a model or checkpoint writes as in a fit's evaluation, without a fit; `test` scores it too.

Both load weights as `fit` does, with its configs, strategies and checkpoints, and write on all ranks.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.cli import LightningArgumentParser
from rich.console import Console
from torch.utils.data import DataLoader

from skillmix_lightning.callbacks import ShowExample, SkillMixEvaluation
from skillmix_lightning.callbacks.grader_services import check_grader
from skillmix_lightning.callbacks.standalone import write_run
from skillmix_lightning.catalogue import Combination
from skillmix_lightning.data import SkillMixDataModule
from skillmix_lightning.endpoint.budget import dollars
from skillmix_lightning.endpoint.prices import load_prices
from skillmix_lightning.endpoint.self_grading import refuse_grading_by_base
from skillmix_lightning.errors import InputError
from skillmix_lightning.pipeline.plan import requests_for
from skillmix_lightning.pipeline.session import costs, share_services, work_through
from skillmix_lightning.pipeline.trained import trained_combinations
from skillmix_lightning.report.progress import progress_bar
from skillmix_lightning.report.terminal import score_table
from skillmix_lightning.runs import Run
from skillmix_lightning.runs.lock import writing
from skillmix_lightning.scoring import scores_document
from skillmix_lightning.students.base import Request
from skillmix_lightning.training import SkillMixModule
from skillmix_lightning.verbs.batches import keep_batches
from skillmix_lightning.verbs.combinations_file import read_combinations
from skillmix_lightning.verbs.fitting import FitCLI, run_trainer


def main(verb: str, args: Sequence[str]) -> None:
    """Runs the verb."""
    defaults = {
        "enable_progress_bar": False,  # the trainer sees one step; the texts have a progress bar of their own
        "callbacks": [ShowExample()],  # does nothing here; the trainer warns if one that a checkpoint knows is missing
    }
    run_trainer(WriteCLI, WritingModule, OneStep, defaults, [verb, *args])


class WritingModule(SkillMixModule):
    """The module, whose one test or predict step has it write.

    Attributes:
        write: what the step calls; set before the trainer starts.
        step_of_weights: optimizer steps behind the weights; None unless a checkpoint is loaded.
    """

    write: Callable[[], None]
    step_of_weights: int | None = None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the checkpoint's step."""
        self.step_of_weights = checkpoint["global_step"]

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Writes."""
        self.write()

    def predict_step(self, batch: Any, batch_idx: int) -> bool:
        """Writes; the texts are in the run, and the trainer collects none."""
        self.write()
        return True


class OneStep(SkillMixDataModule):
    """The data set as the record of what was trained on; to the trainer, one empty batch per rank.

    Attributes:
        needed: whether that record is asked for.
    """

    needed: bool = True

    def prepare_data(self) -> None:
        """Makes embedded data sets, once; pre-training text says nothing about combinations."""
        self.pretraining = None
        if self.needed:
            super().prepare_data()

    def setup(self, stage: str) -> None:
        """Nothing: no text of it is encoded."""

    def test_dataloader(self) -> DataLoader[Any]:
        """One batch."""
        return DataLoader([0])  # type: ignore[arg-type]

    def predict_dataloader(self) -> DataLoader[Any]:
        """One batch."""
        return self.test_dataloader()


class WriteCLI(FitCLI):
    """`test` and `predict`, with the options of `fit` and three of their own."""

    DESCRIPTIONS: ClassVar[dict[str, str]] = {
        "test": "Scores a model or checkpoint as an evaluation within a fit does; trains nothing.",
        "predict": "Has a model or checkpoint write texts for combinations, into a run that can be graded.",
    }
    combinations: list[Combination] | None = None
    folder: Path
    requests: list[Request]

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The verbs, with the trainer's arguments that the command line does not set."""
        ours = {"model", "dataloaders", "datamodule"}
        return {"test": {*ours, "verbose"}, "predict": {*ours, "return_predictions"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds `--combinations_file`, `--out` and `--json`."""
        super().add_arguments_to_parser(parser)
        parser.add_argument(
            "--combinations_file",
            type=str | None,
            default=None,
            help="JSONL with skills, topic and split of what is written; by default what --evaluation.… draws",
        )
        parser.add_argument(
            "--out", type=str | None, default=None, help="the run's folder; by default one in the log folder"
        )
        parser.add_argument("--json", type=bool, default=False, help="print one JSON document instead of tables")

    def before_test(self) -> None:
        """Finds what would only fail later.

        Raises:
            InputError: the combinations or the checkpoint cannot be read, or the grader is the model itself or does not
                answer.
        """
        self.before_predict()
        refuse_grading_by_base(self.model.model_name, self.evaluation.grader, self.evaluation.allow_self_grading)
        if self.trainer.is_global_zero:
            check_grader(self.evaluation.grader)

    def before_predict(self) -> None:
        """Finds what would only fail later.

        Raises:
            InputError: the combinations or the checkpoint cannot be read.
        """
        assert isinstance(self.model, WritingModule), "main has named it"
        assert isinstance(self.datamodule, OneStep), "main has named it"
        if self.asked["combinations_file"] is not None:
            catalogue = self.evaluation.plan.load_catalogue()
            self.combinations = read_combinations(Path(self.asked["combinations_file"]), catalogue)
            self.datamodule.needed = False
        self.settle_checkpoint()
        self.model.write = self.write

    def after_test(self) -> None:
        """Grades and scores what was written, on rank 0; the other ranks are done.

        Raises:
            InputError: a setting cannot work, or a server refuses.
            Stopped: grades are missing.
        """
        if not self.trainer.is_global_zero:
            return
        plan, grader, money = self.evaluation.plan, self.evaluation.grader, self.evaluation.money
        run, console = Run(self.folder), Console()
        with writing(self.folder):
            prices = load_prices(money.prices)
            budget = share_services((grader,), run, money.cache, prices, *money.of_one())
            total = len(self.requests) * (1 + plan.gradings)
            with progress_bar(Console(stderr=True), f"grading {self.folder.name}", total) as advance:
                keep_batches({"grader": grader}, self.folder, lambda batches: None)
                scores = work_through(run, self.requests, None, grader, plan.gradings, budget, advance)
        if self.asked["json"]:
            spent = {"spent": costs(run)}
            _print_json({"run": str(self.folder), **scores_document(scores, "max", "paper", True), **spent})
            return
        console.print(score_table(scores, f"{self.model.model_name}, {self._weights()}"))
        console.print(str(self.folder), markup=False, highlight=False, soft_wrap=True)
        if budget is not None:
            console.print(f"spent: {dollars(budget.spent_usd)}, {budget.spent_tokens:,} tokens")

    def after_predict(self) -> None:
        """Says where the texts are."""
        if not self.trainer.is_global_zero:
            return
        if self.asked["json"]:
            _print_json({"run": str(self.folder), "texts": len(self.requests)})
        else:
            told = f"{len(self.requests):,} texts of {self.model.model_name}, {self._weights()}: {self.folder}"
            Console().print(told, markup=False, highlight=False, soft_wrap=True)

    def write(self) -> None:
        """Has the model write what is asked; every rank must call it.

        Raises:
            InputError: there is no such checkpoint, or the folder holds another run.
            Stopped: texts are missing.
        """
        if self.asked["ckpt_path"] is not None and self.model.step_of_weights is None:
            raise InputError("--ckpt_path last: no checkpoint of a fit with these settings is found; name a folder")
        log_folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)  # the trainer broadcasts it
        self.folder = Path(self.asked["out"]) if self.asked["out"] is not None else log_folder / str(self.subcommand)
        plan = self.evaluation.plan
        if self.combinations is None:
            trained = set().union(*map(trained_combinations, self.datamodule.paths))
            self.requests = plan.requests(exclude=trained)
        else:
            catalogue, prompts = plan.load_catalogue(), plan.load_prompts()
            self.requests = requests_for(catalogue, prompts, self.combinations, plan.generations)
        generation = self.evaluation.generation
        write_run(self.trainer, self.model, self.folder, self._manifest(), self.requests, generation)

    @property
    def evaluation(self) -> SkillMixEvaluation:
        """The fit's evaluation: its plan, its grader, and how it has a model write."""
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        (found,) = (callback for callback in callbacks if isinstance(callback, SkillMixEvaluation))
        return found

    @property
    def asked(self) -> Any:
        """The config of the verb."""
        return self.config_init[self.subcommand]

    def _manifest(self) -> dict[str, Any]:
        plan, generation = self.evaluation.plan, self.evaluation.generation
        manifest = plan.manifest()
        if self.combinations is not None:
            drawn = ("splits", "ks", "combinations")
            manifest["plan"] = {key: value for key, value in manifest["plan"].items() if key not in drawn}
            file = Path(self.asked["combinations_file"])
            manifest["combinations_file_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        settings = {"model": self.model.model_name, "temperature": generation.temperature}
        settings |= {"max_new_tokens": generation.max_new_tokens, "seed": generation.seed}
        manifest["student"] = {"class": "TransformersStudent", "settings": settings}
        manifest["step"] = self.model.step_of_weights
        checkpoint = self.asked["ckpt_path"]
        manifest["checkpoint"] = None if checkpoint is None else str(checkpoint)
        if self.subcommand == "test":
            manifest["grader"] = self.evaluation.grader.name
        return manifest

    def _weights(self) -> str:
        step = self.model.step_of_weights
        return "as loaded" if step is None else f"step {step}"


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2)
    print()
