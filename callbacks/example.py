"""Shows what the model is really trained on, before a day is spent on it."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.panel import Panel

from skillmix_lightning.data.batching import IGNORE, MicroBatch, StepBatch
from skillmix_lightning.data.describe import describe_example
from skillmix_lightning.data.encoding import Example
from skillmix_lightning.training import SkillMixModule


class ShowExample(Callback):
    """Prints one example of the first step, its tokens with a loss in colour and special tokens visible.

    It is read back from the tensors that the model is given, so what it shows is what is trained.

    Args:
        console: where to; by default standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console
        self._shown = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: StepBatch, batch_idx: int
    ) -> None:
        """Prints it, on rank 0, once."""
        if self._shown or not trainer.is_global_zero:
            return
        self._shown = True
        if isinstance(pl_module, SkillMixModule) and pl_module.tokenizer is not None:
            example = first_example(batch)
            title = f"trained on, for example: {example.source}" + (f", k = {example.k}" if example.k else "")
            text = describe_example(example, pl_module.tokenizer)
            (self.console or Console()).print(Panel(text, title=title, title_align="left"))

    def state_dict(self) -> dict[str, Any]:
        """A resumed fit shows none."""
        return {"shown": self._shown}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes that back."""
        self._shown = state_dict["shown"]


def first_example(batch: StepBatch) -> Example:
    """The first example of a step: a k-skill text if there is one."""
    places = [(i, j) for i, group in enumerate(batch["sources"]) for j in range(len(group))]
    i, j = min(places, key=lambda place: batch["sources"][place[0]][place[1]][1] is None)
    source, k = batch["sources"][i][j]
    return read_back(batch["micro_batches"][i], j, source, k)


def read_back(micro_batch: MicroBatch, index: int, source: str, k: int | None) -> Example:
    """An example as it is before batching."""
    mine = micro_batch["examples"] == index
    ids = micro_batch["input_ids"][mine].tolist()
    targets = [False, *(label != IGNORE for label in micro_batch["labels"][mine].tolist()[:-1])]
    return Example(tuple(ids), tuple(targets), source, k, float(micro_batch["weights"][index]))
