"""The model half of `fit`: any causal language model, fine-tuned on the answers of k-skill texts."""

import time
from typing import Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.data.batching import IGNORE, MicroBatch, StepBatch
from skillmix_lightning.errors import raise_all
from skillmix_lightning.models import load_causal_lm, load_tokenizer
from skillmix_lightning.training.loss import has_plain_head, token_mean_loss
from skillmix_lightning.training.schedule import Schedule, make_schedule


class SkillMixModule(LightningModule):
    """Fine-tunes a causal LM.

    One batch is one optimizer step (`data.batching.StepBatch`); the module loops over its micro-batches itself, so
    that the loss is the mean over the target tokens of the whole step. Weights, gradients and optimizer states are
    fp32; `trainer.precision: bf16-mixed` computes in bf16.

    Args:
        model: `embedded:smollm2-135m-instruct`, a model folder, or a hub name.
        learning_rate: after the warm-up; the paper's is 2e-5 (arXiv 2409.19808, section 3.2).
        warmup_steps: over which it rises linearly; the paper's is 64.
        schedule: what follows the warm-up; "constant", as in the paper, or "linear" or "cosine" to zero at `max_steps`.
        optimizer: "adam", as in the paper, or "adamw".
        betas: unknown for the paper; torch's default.
        weight_decay: unknown for the paper.
        gradient_clip: largest gradient norm; None leaves gradients as they are. Unknown for the paper.
        attn_implementation: as transformers names it; None lets it choose.

    Raises:
        InputError: a setting is out of range.
    """

    def __init__(
        self,
        model: str = "embedded:smollm2-135m-instruct",
        learning_rate: float = 2e-5,
        warmup_steps: int = 64,
        schedule: Schedule = "constant",
        optimizer: Literal["adam", "adamw"] = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        gradient_clip: float | None = None,
        attn_implementation: str | None = None,
    ) -> None:
        super().__init__()
        problems = []
        if learning_rate <= 0:
            problems.append(f"learning_rate is {learning_rate}, and must be above 0")
        if warmup_steps < 0:
            problems.append(f"warmup_steps is {warmup_steps}, and must be at least 0")
        if gradient_clip is not None and gradient_clip <= 0:
            problems.append(f"gradient_clip is {gradient_clip}, and must be above 0, or null for none")
        raise_all("--model", problems)
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.model_name = model
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.schedule = schedule
        self.optimizer_name = optimizer
        self.betas = betas
        self.weight_decay = weight_decay
        self.gradient_clip = gradient_clip
        self.attn_implementation = attn_implementation
        self.model: PreTrainedModel | None = None
        self.tokenizer: PreTrainedTokenizerBase | None = None
        self.val_loss = MeanMetric()

    def configure_model(self) -> None:
        """Loads weights and tokenizer, once.

        Raises:
            InputError: the model cannot be loaded.
        """
        if self.model is None:
            self.tokenizer = load_tokenizer(self.model_name)
            self.model = load_causal_lm(self.model_name, torch.float32, self.attn_implementation)
            self.model.train()
            self.plain_head = has_plain_head(self.model)
            parameters = sum(parameter.numel() for parameter in self.model.parameters())
            rank_zero_info(f"{self.model_name}: {type(self.model).__name__}, {parameters:,} parameters")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam(W) and the schedule of its rate."""
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.optimizer_name]
        optimizer: torch.optim.Optimizer = kind(
            self.parameters(), lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )
        schedule = make_schedule(optimizer, self.schedule, self.warmup_steps, self.trainer.max_steps)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: StepBatch, batch_idx: int) -> None:
        """One optimizer step of exactly `global_batch_size` examples."""
        began = time.perf_counter()
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        loss = torch.zeros((), device=self.device)
        for micro_batch in batch["micro_batches"]:
            part = self.micro_batch_loss(micro_batch, batch["step_targets"])
            # Data-parallel strategies average gradients over ranks; the loss is a sum over them.
            self.manual_backward(part * self.trainer.world_size)
            loss += part.detach()
        grad_norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.gradient_clip or float("inf"))
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        optimizer.zero_grad()
        schedule = self.lr_schedulers()
        if isinstance(schedule, LRScheduler):
            schedule.step()
        self.log("train/loss", loss, prog_bar=True, sync_dist=True, reduce_fx="sum")
        self.log("train/lr", rate)
        self.log("train/grad_norm", grad_norm)
        self.log("train/tokens_per_second", batch["step_tokens"] / (time.perf_counter() - began))

    def validation_step(self, batch: StepBatch, batch_idx: int) -> None:
        """Adds to `val/loss`, the mean over all target tokens of the validation examples."""
        for micro_batch in batch["micro_batches"]:
            count = (micro_batch["labels"] != IGNORE).sum()
            if count:
                self.val_loss.update(self.micro_batch_loss(micro_batch, count), weight=count)
        self.log("val/loss", self.val_loss, prog_bar=True, on_epoch=True, on_step=False)

    def micro_batch_loss(self, micro_batch: MicroBatch, step_targets: Tensor) -> Tensor:
        """The part of the step's loss that these examples give; float32 scalar."""
        assert self.model is not None, "configure_model loads it"
        ids, labels = micro_batch["input_ids"], micro_batch["labels"]
        if self.plain_head:
            hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
            return token_mean_loss(hidden, labels, self.model.get_output_embeddings(), step_targets)
        logits = self.model(input_ids=ids, use_cache=False).logits
        return token_mean_loss(logits, labels, torch.nn.Identity(), step_targets)
