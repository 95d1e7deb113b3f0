"""The data half of `fit`: a data set of k-skill texts becomes optimizer steps of token ids."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.data.batching import StepBatch, StepCollator, StepSampler
from skillmix_lightning.data.dataset import Row, read_dataset, split_by_combination
from skillmix_lightning.data.encoding import Example, encode
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models import load_tokenizer
from skillmix_lightning.pipeline.embedded import PREFIX, embedded_dataset

Overflow = Literal["drop", "truncate", "error"]


class SkillMixDataModule(LightningDataModule):
    """Serves tokenized k-skill texts, one optimizer step at a time.

    Args:
        dataset: `embedded:verifiable-d1`, `-d12`, `-d123` (made when first used), or a JSONL file.
        tokenizer: the name of the model whose tokenizer and chat template encode the texts; `fit` links it to the
            model's name.
        prompts: the wording of an embedded data set; a file has its own.
        catalogue: if given, the data set's skills and topics must be in it.
        global_batch_size: examples per optimizer step, whatever the number of ranks and the micro-batch size; the
            paper's is 64.
        micro_batch_size: examples per forward pass and rank; changes speed and memory, not the result.
        max_length: in tokens; the paper's is 1024.
        overflow: what to do with longer examples: "drop" them, "truncate" them (their end-of-turn token is lost), or
            stop with an error. How many it touched is printed.
        validation_share: share of the combinations held back for `val/loss`.
        seed: of the split, the order, and an embedded data set.

    Raises:
        InputError: a size is out of range.
    """

    def __init__(
        self,
        dataset: str = "embedded:verifiable-d123",
        tokenizer: str = "embedded:smollm2-135m-instruct",
        prompts: str = "brief-v1",
        catalogue: str | None = None,
        global_batch_size: int = 64,
        micro_batch_size: int = 4,
        max_length: int = 1024,
        overflow: Overflow = "drop",
        validation_share: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {
            "global_batch_size": global_batch_size,
            "micro_batch_size": micro_batch_size,
            "max_length": max_length,
        }
        problems = [f"{name} is {value}, and must be at least 1" for name, value in sizes.items() if value < 1]
        if not 0 <= validation_share < 1:
            problems.append(f"validation_share is {validation_share}, and must be at least 0 and below 1")
        raise_all("--data", problems)
        self.save_hyperparameters()
        self.dataset = dataset
        self.tokenizer_name = tokenizer
        self.prompts = prompts
        self.catalogue = catalogue
        self.global_batch_size = global_batch_size
        self.micro_batch_size = micro_batch_size
        self.max_length = max_length
        self.overflow = overflow
        self.validation_share = validation_share
        self.seed = seed
        self.train_examples: list[Example] = []
        self.val_examples: list[Example] = []

    def prepare_data(self) -> None:
        """Makes an embedded data set, once, and prints its yield per k."""
        if self.dataset.startswith(PREFIX):
            path, yields = embedded_dataset(self.dataset, self.prompts, self.seed)
            shares = ", ".join(f"k={row.k}: {row.kept} of {row.written} ({row.share:.1%})" for row in yields)
            written = sum(row.written for row in yields)
            distinct = 1 - sum(row.duplicates for row in yields) / written
            print(f"{path}: texts with full marks kept: {shares}; distinct {distinct:.1%}")

    def setup(self, stage: str) -> None:
        """Reads, splits and encodes the data set.

        Raises:
            InputError: the data set or the chat template has problems, or no example is left.
        """
        if self.train_examples:
            return
        tokenizer = load_tokenizer(self.tokenizer_name)
        catalogue = None if self.catalogue is None else load_catalogue(self.catalogue)
        rows = read_dataset(self.path, catalogue)
        train, val = split_by_combination(rows, self.validation_share, self.seed)
        self.train_examples = self._encoded(train, tokenizer, "training")
        self.val_examples = self._encoded(val, tokenizer, "validation") if val else []
        if not self.train_examples:
            raise InputError(f"{self.path}: no example has at most {self.max_length} tokens; raise --data.max_length")

    @property
    def path(self) -> Path:
        """The data set's file."""
        if self.dataset.startswith("embedded:"):
            return embedded_dataset(self.dataset, self.prompts, self.seed)[0]
        return Path(self.dataset)

    def train_dataloader(self) -> DataLoader[StepBatch]:
        """An endless stream of optimizer steps, from the step the trainer has reached."""
        first_step = self.trainer.global_step if self.trainer else 0
        sampler = StepSampler(len(self.train_examples), self.global_batch_size, self.seed, first_step)
        return DataLoader(self.train_examples, batch_sampler=sampler, collate_fn=self._collator())  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[StepBatch] | list[DataLoader[StepBatch]]:
        """Every validation example once, in batches of the same shape as training steps."""
        if not self.val_examples:
            return []
        world_size = self._collator().world_size
        batches = [
            list(range(start, min(start + self.global_batch_size, len(self.val_examples))))
            for start in range(0, len(self.val_examples), self.global_batch_size)
        ]
        if len(batches) > 1 and len(batches[-1]) < world_size:
            batches[-2] += batches.pop()
        return DataLoader(self.val_examples, batch_sampler=batches, collate_fn=self._collator())  # type: ignore[arg-type]

    def _collator(self) -> StepCollator:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.global_batch_size < world_size:
            raise InputError(f"--data.global_batch_size {self.global_batch_size}: fewer than the {world_size} ranks")
        return StepCollator(self.micro_batch_size, rank, world_size)

    def _encoded(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, name: str) -> list[Example]:
        # Tokenizer threads left running warn in every forked process later.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        examples = [encode(row.chat(), tokenizer, f"{self.path}, id {row.id}") for row in rows]
        fitting = [example for example in examples if len(example) <= self.max_length]
        longer = len(examples) - len(fitting)
        if longer and self.overflow == "error":
            worst = max(range(len(rows)), key=lambda i: len(examples[i]))
            raise InputError(
                f"{self.path}: {longer} examples have more than {self.max_length} tokens; the longest, id "
                f"{rows[worst].id}, has {len(examples[worst])}; raise --data.max_length or set --data.overflow"
            )
        if self.overflow == "truncate":
            cut = [example.cut(self.max_length) for example in examples]
            fitting = [example for example in cut if example.target_count]
        tokens = sum(map(len, fitting))
        targets = sum(example.target_count for example in fitting)
        rank_zero_info(
            f"{name}: {len(fitting)} examples, {tokens} tokens, {targets} of them targets; "
            f"{longer} longer than {self.max_length} tokens ({self.overflow})"
        )
        return fitting
