"""The data half of `fit`: data sets of k-skill texts become optimizer steps of token ids."""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import ConcatDataset, DataLoader
from transformers import PreTrainedTokenizerBase

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.data.batching import Layout, StepBatch, StepCollator
from skillmix_lightning.data.dataset import Row, split_by_combination
from skillmix_lightning.data.encoding import Example, encode
from skillmix_lightning.data.mixture import draw_subset, read_mixture
from skillmix_lightning.data.order import StepSampler
from skillmix_lightning.data.pretraining import Pieces, PretrainingText, pretraining_pieces
from skillmix_lightning.data.settings import check_settings
from skillmix_lightning.errors import InputError
from skillmix_lightning.models import load_tokenizer
from skillmix_lightning.pipeline.embedded import PREFIX, embedded_dataset

Overflow = Literal["drop", "truncate", "error"]


class SkillMixDataModule(LightningDataModule):
    """Serves tokenized k-skill texts, one optimizer step at a time.

    Args:
        dataset: `embedded:verifiable-d1`, `-d12`, `-d123` (made when first used), a JSONL file, or a list of these,
            which are read as one.
        tokenizer: the name of the model whose tokenizer and chat template encode the texts; `fit` links it to the
            model's name.
        prompts: the wording of an embedded data set; a file has its own.
        catalogue: if given, the data sets' skills and topics must be in it.
        ks: train and validate on texts of these k only.
        subset: train on so many texts, drawn by `seed`; None trains on all.
        subset_mix: how many texts of the subset have which k, {3: 2000}; ks that it does not name share the rest.
        pretraining: text to mix in. The paper mixes some in, and names neither corpus nor ratio.
        global_batch_size: examples per optimizer step, whatever the number of ranks and the micro-batches; the
            paper's is 64.
        micro_batch_size: examples per forward pass and rank; changes speed and memory, not the result.
        micro_batch_tokens: if given, tokens per forward pass and rank, padding counted, instead of examples.
        layout: "padded" lays the examples of a forward pass out as rows, padded on the right; "padding_free" lays them
            end to end in one row, none attending to another.
        max_length: in tokens; the paper's is 1024.
        overflow: what to do with longer examples: "drop" them, "truncate" them (their end-of-turn token is lost), or
            stop with an error. How many it touched is printed.
        validation_share: share of the combinations held back for `val/loss`.
        seed: of the split, the subset, the order, and an embedded data set.

    Raises:
        InputError: settings are out of range or contradict each other; all are listed.
    """

    def __init__(
        self,
        dataset: str | list[str] = "embedded:verifiable-d123",
        tokenizer: str = "embedded:smollm2-135m-instruct",
        prompts: str = "brief-v1",
        catalogue: str | None = None,
        ks: list[int] | None = None,
        subset: int | None = None,
        subset_mix: dict[int, int] | None = None,
        pretraining: PretrainingText | None = None,
        global_batch_size: int = 64,
        micro_batch_size: int = 4,
        micro_batch_tokens: int | None = None,
        layout: Layout = "padded",
        max_length: int = 1024,
        overflow: Overflow = "drop",
        validation_share: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.datasets = [dataset] if isinstance(dataset, str) else list(dataset)
        self.tokenizer_name = tokenizer
        self.prompts = prompts
        self.catalogue = catalogue
        self.ks = ks
        self.subset = subset
        self.subset_mix = subset_mix or {}
        self.pretraining = pretraining
        self.global_batch_size = global_batch_size
        self.micro_batch_size = micro_batch_size
        self.micro_batch_tokens = micro_batch_tokens
        self.layout: Layout = layout
        self.max_length = max_length
        self.overflow = overflow
        self.validation_share = validation_share
        self.seed = seed
        check_settings(self)
        self.save_hyperparameters(ignore=["pretraining"])
        self.save_hyperparameters({"pretraining": pretraining and asdict(pretraining)})
        self.train_examples: list[Example] = []
        self.val_examples: list[Example] = []
        self.pieces: Pieces | None = None

    def prepare_data(self) -> None:
        """Makes embedded data sets, once, printing their yield per k, and tokenizes the pre-training text, once."""
        for name in self.datasets:
            if name.startswith(PREFIX):
                path, yields = embedded_dataset(name, self.prompts, self.seed)
                shares = ", ".join(f"k={row.k}: {row.kept} of {row.written} ({row.share:.1%})" for row in yields)
                written = sum(row.written for row in yields)
                distinct = 1 - sum(row.duplicates for row in yields) / written
                print(f"{path}: texts with full marks kept: {shares}; distinct {distinct:.1%}")
        if self.pretraining is not None:
            pretraining_pieces(self.pretraining, load_tokenizer(self.tokenizer_name), self.max_length)

    def setup(self, stage: str) -> None:
        """Reads, splits and encodes the data sets.

        Raises:
            InputError: the data, or the chat template, have problems, or no example is left.
        """
        if self.train_examples:
            return
        tokenizer = load_tokenizer(self.tokenizer_name)
        catalogue = None if self.catalogue is None else load_catalogue(self.catalogue)
        rows = read_mixture(self.paths, catalogue, self.ks)
        train, val = split_by_combination(rows, self.validation_share, self.seed)
        if self.subset is not None:
            train = draw_subset(train, self.subset, self.subset_mix, self.seed)
        self.train_examples = self._encoded(train, tokenizer, "training")
        self.val_examples = self._encoded(val, tokenizer, "validation") if val else []
        if not self.train_examples:
            names = ", ".join(map(str, self.paths))
            raise InputError(f"{names}: no example has at most {self.max_length} tokens; raise --data.max_length")
        if self.pretraining is not None:
            self.pieces = pretraining_pieces(self.pretraining, tokenizer, self.max_length)
            rank_zero_info(
                f"pre-training text, {self.pretraining.data}: {len(self.pieces)} pieces, {self.pieces.tokens} tokens; "
                f"{self.pretraining.ratio:.1%} of the examples, each target with weight {self.pretraining.weight:g}"
            )

    @property
    def paths(self) -> list[Path]:
        """The data sets' files."""
        return [
            embedded_dataset(name, self.prompts, self.seed)[0] if name.startswith("embedded:") else Path(name)
            for name in self.datasets
        ]

    def train_dataloader(self) -> DataLoader[StepBatch]:
        """An endless stream of optimizer steps, from the step the trainer has reached."""
        sampler = StepSampler(
            len(self.train_examples),
            self.global_batch_size,
            self.seed,
            self.trainer.global_step if self.trainer else 0,
            len(self.pieces) if self.pieces else 0,
            self.pretraining.ratio if self.pretraining else 0.0,
        )
        parts: list[Any] = [self.train_examples, *([self.pieces] if self.pieces else [])]
        return DataLoader(ConcatDataset(parts), batch_sampler=sampler, collate_fn=self._collator())

    def val_dataloader(self) -> DataLoader[StepBatch] | list[DataLoader[StepBatch]]:
        """Every validation example once, in batches of the same shape as training steps."""
        if not self.val_examples:
            return []
        count, size = len(self.val_examples), self.global_batch_size
        batches = [list(range(start, min(start + size, count))) for start in range(0, count, size)]
        return DataLoader(self.val_examples, batch_sampler=batches, collate_fn=self._collator())  # type: ignore[arg-type]

    def _collator(self) -> StepCollator:
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if self.global_batch_size < world_size:
            raise InputError(f"--data.global_batch_size {self.global_batch_size}: fewer than the {world_size} ranks")
        return StepCollator(
            self.micro_batch_size,
            rank,
            world_size,
            layout=self.layout,
            micro_batch_tokens=self.micro_batch_tokens,
        )

    def _encoded(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, name: str) -> list[Example]:
        # Tokenizer threads left running warn in every forked process later.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        encoded: list[Example] = []
        for path, of_path in groupby(rows, key=lambda row: row.path):
            encoded += self._fitting(list(of_path), tokenizer, f"{name}, {path}")
        return encoded

    def _fitting(self, rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, name: str) -> list[Example]:
        """The examples of one file, those too long dropped or cut; prints what there is and what was touched."""
        examples = [replace(encode(row.chat(), tokenizer, row.where), k=row.k) for row in rows]
        fitting = [example for example in examples if len(example) <= self.max_length]
        longer = len(examples) - len(fitting)
        if longer and self.overflow == "error":
            worst = max(range(len(rows)), key=lambda i: len(examples[i]))
            raise InputError(
                f"{rows[0].path}: {longer} examples have more than {self.max_length} tokens; the longest, id "
                f"{rows[worst].id}, has {len(examples[worst])}; raise --data.max_length or set --data.overflow"
            )
        if self.overflow == "truncate":
            cut = [example.cut(self.max_length) for example in examples]
            fitting = [example for example in cut if example.target_count]
        by_k = ", ".join(f"k={k}: {sum(e.k == k for e in fitting)}" for k in sorted({row.k for row in rows}))
        rank_zero_info(
            f"{name}: {len(fitting)} examples ({by_k}), {sum(map(len, fitting))} tokens, "
            f"{sum(example.target_count for example in fitting)} of them targets; "
            f"{longer} longer than {self.max_length} tokens ({self.overflow})"
        )
        return fitting
