"""The model half of `fit`: any causal language model, fine-tuned on the answers of k-skill texts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.data.batching import MicroBatch, StepBatch
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.models import load_causal_lm, load_tokenizer
from skillmix_lightning.models.meta import build_on_meta, weights_folder
from skillmix_lightning.training.adapters import LoraSettings, add_lora, initialize_lora
from skillmix_lightning.training.loading import grow_vocabulary, load_shards, materialize
from skillmix_lightning.training.loss import example_targets, has_plain_head
from skillmix_lightning.training.optimizers import OptimizerName, make_optimizer
from skillmix_lightning.training.parallelize import TRAINING_FORWARD, ActivationCheckpointing, parallelize
from skillmix_lightning.training.schedule import Schedule, make_schedule


class SkillMixModule(LightningModule):
    """Fine-tunes a causal LM.

    One batch is one optimizer step (`data.batching.StepBatch`); the module loops over its micro-batches itself, so
    that the loss is the mean over the target tokens of the whole step. Weights, gradients and optimizer states are
    fp32; `trainer.precision: bf16-mixed` computes in bf16. Under a strategy with a device mesh (`fsdp2`) every rank
    holds and loads its share of them only.

    Args:
        model: `embedded:smollm2-135m-instruct`, a model folder, or a hub name.
        learning_rate: after the warm-up; the paper's is 2e-5 (arXiv 2409.19808, section 3.2).
        warmup_steps: over which it rises linearly; the paper's is 64.
        schedule: what follows the warm-up; "constant", as in the paper, or "linear" or "cosine" to zero at `max_steps`.
        optimizer: "adam", as in the paper, "adamw", or one with 8-bit states (`training.optimizers`).
        betas: unknown for the paper; torch's default.
        weight_decay: of matrices; unknown for the paper.
        gradient_clip: largest gradient norm; None leaves gradients as they are. Unknown for the paper.
        attn_implementation: as transformers names it; None lets it choose.
        activation_checkpointing: "none", "selective" (every second block) or "full": computes activations again in the
            backward pass rather than keep them.
        compile: compile blocks with torch.compile.
        cpu_offload: under fsdp2, keep parameters, gradients and optimizer states on the CPU between uses.
        reshard_after_forward: under fsdp2, free gathered parameters between forward and backward pass. False is faster
            and takes 2 bytes per parameter (in bf16) more on every rank.
        defer_gradient_sync: under fsdp2, reduce gradients over ranks with the last micro-batch of a step only. True is
            faster and takes 4 bytes per parameter more on every rank: whole gradients, not shards, are summed up.
        lora: train adapters only; None trains all weights, as in the paper.
        quantization: "nf4" holds the weights under the adapters in 4 bits, on one GPU.
        logits_chunk: target tokens whose logits are in memory at a time.

    Raises:
        InputError: settings are out of range, or do not go together.
    """

    def __init__(
        self,
        model: str = "embedded:smollm2-135m-instruct",
        learning_rate: float = 2e-5,
        warmup_steps: int = 64,
        schedule: Schedule = "constant",
        optimizer: OptimizerName = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        gradient_clip: float | None = None,
        attn_implementation: str | None = None,
        activation_checkpointing: ActivationCheckpointing = "none",
        compile: bool = False,
        cpu_offload: bool = False,
        reshard_after_forward: bool = True,
        defer_gradient_sync: bool = False,
        lora: LoraSettings | None = None,
        quantization: Literal["nf4"] | None = None,
        logits_chunk: int = 4096,
    ) -> None:
        super().__init__()
        problems = []
        if learning_rate <= 0:
            problems.append(f"learning_rate is {learning_rate}, and must be above 0")
        if warmup_steps < 0:
            problems.append(f"warmup_steps is {warmup_steps}, and must be at least 0")
        if gradient_clip is not None and gradient_clip <= 0:
            problems.append(f"gradient_clip is {gradient_clip}, and must be above 0, or null for none")
        if logits_chunk < 1:
            problems.append(f"logits_chunk is {logits_chunk}, and must be at least 1")
        if quantization is not None and lora is None:
            problems.append(f"quantization is {quantization}, and such weights cannot be trained; set lora too")
        raise_all("--model", problems)
        self.save_hyperparameters(ignore=["lora"])
        # Checkpoints hold primitives only, so that loading them runs no code.
        self.hparams["lora"] = None if lora is None else asdict(lora)
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
        self.activation_checkpointing = activation_checkpointing
        self.compile_blocks = compile
        self.cpu_offload = cpu_offload
        self.reshard_after_forward = reshard_after_forward
        self.defer_gradient_sync = defer_gradient_sync
        self.lora = lora
        self.quantization = quantization
        self.logits_chunk = logits_chunk
        #: Set before a fit that resumes from a checkpoint: weights that it brings are not loaded first.
        self.resuming = False
        self.model: PreTrainedModel | None = None
        self.tokenizer: PreTrainedTokenizerBase | None = None
        self.val_loss = MeanMetric()
        self._plain_head: bool | None = None

    @property
    def compute_dtype(self) -> torch.dtype:
        """What matrix products are computed in: bf16 under `bf16-mixed`, else fp32."""
        return torch.bfloat16 if self.trainer.precision == "bf16-mixed" else torch.float32

    def configure_model(self) -> None:
        """Loads tokenizer and weights, once.

        Raises:
            InputError: the model cannot be loaded, or not under this strategy.
        """
        if self.model is not None:
            return
        self.tokenizer = load_tokenizer(self.model_name)
        self.model = self._whole_model() if self.device_mesh is None else self._sharded_model()
        self.model.train()
        kind = type(self.model).__name__.removeprefix("FSDP")  # fully_shard renames the class
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        rank_zero_info(f"{self.model_name}: {kind}, {parameters:,} parameters")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer and the schedule of its rate."""
        optimizer = make_optimizer(self, self.optimizer_name, self.learning_rate, self.betas, self.weight_decay)
        schedule = make_schedule(optimizer, self.schedule, self.warmup_steps, self.trainer.max_steps)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: StepBatch, batch_idx: int) -> dict[str, Tensor | list[Tensor]]:
        """One optimizer step of exactly `global_batch_size` examples.

        Returns:
            `loss`, this rank's part of the step's loss, float32 scalar; `example_losses` and `example_targets`, for
            each micro-batch the summed unweighted cross-entropy and the target tokens of its examples, (examples,),
            float32. All on the device, so that reading them is up to callbacks.
        """
        began = time.perf_counter()
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        loss = torch.zeros_like(batch["step_weight"])
        losses = []
        for micro_batch in batch["micro_batches"]:
            with self._gradient_sync(last=micro_batch is batch["micro_batches"][-1]):
                part, example_losses = self.micro_batch_loss(micro_batch, batch["step_weight"])
                # Data-parallel strategies average gradients over ranks; the loss is a sum over them.
                self.manual_backward(part * self.trainer.world_size)
            loss += part.detach()
            losses.append(example_losses)
        grad_norm = self._clip_gradients()
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
        targets = [example_targets(micro_batch) for micro_batch in batch["micro_batches"]]
        return {"loss": loss, "example_losses": losses, "example_targets": targets}

    def validation_step(self, batch: StepBatch, batch_idx: int) -> None:
        """Adds to `val/loss`, the mean over all target tokens of the validation examples."""
        for micro_batch in batch["micro_batches"]:
            _, losses = self.micro_batch_loss(micro_batch, batch["step_weight"])
            targets = example_targets(micro_batch)
            self.val_loss.update(losses / targets.clamp(min=1), weight=targets)
        self.log("val/loss", self.val_loss, prog_bar=True, on_epoch=True, on_step=False)

    def micro_batch_loss(self, micro_batch: MicroBatch, step_weight: Tensor) -> tuple[Tensor, Tensor]:
        """The part of the step's loss that these examples give, and the loss of each (`training.loss.step_loss`)."""
        assert self.model is not None, "configure_model loads it"
        if self._plain_head is None:  # only here: a resumed model has its weights by now
            self._plain_head = has_plain_head(self.model, micro_batch["input_ids"].device)
        forward = getattr(self.model, TRAINING_FORWARD)
        losses: tuple[Tensor, Tensor] = forward(micro_batch, step_weight, self._plain_head, self.logits_chunk)
        return losses

    def _whole_model(self) -> PreTrainedModel:
        assert self.tokenizer is not None
        model = load_causal_lm(self.model_name, torch.float32, self.attn_implementation, quantization=self.quantization)
        grow_vocabulary(model, len(self.tokenizer))
        if self.lora is not None:
            model = add_lora(model, self.lora)
        parallelize(model, None, self.activation_checkpointing, compile=self.compile_blocks)
        return model

    def _sharded_model(self) -> PreTrainedModel:
        self._check_sharded_settings()
        assert self.device_mesh is not None
        assert self.tokenizer is not None
        model = build_on_meta(self.model_name, self.attn_implementation, vocabulary=len(self.tokenizer))
        if self.lora is not None:
            model = add_lora(model, self.lora)
        parallelize(
            model,
            self.device_mesh["data_parallel"],
            self.activation_checkpointing,
            self.compute_dtype,
            self.cpu_offload,
            self.compile_blocks,
            self.reshard_after_forward,
        )
        materialize(model, self.trainer.strategy.root_device, self.cpu_offload)
        if self.lora is not None:
            initialize_lora(model)
        if self.lora is not None or not self.resuming:  # checkpoints of adapters need not hold what is under them
            load_shards(model, weights_folder(self.model_name))
        return model

    def _check_sharded_settings(self) -> None:
        problems = []
        if self.quantization is not None:
            problems.append("quantization works on one GPU only, and this strategy shards weights; use another of them")
        if self.trainer.precision not in ("32-true", "bf16-mixed"):
            problems.append(f"precision {self.trainer.precision} does not work with sharded weights; use bf16-mixed")
        if problems:
            raise InputError("--trainer.strategy: " + "; ".join(problems))

    @contextmanager
    def _gradient_sync(self, last: bool) -> Iterator[None]:
        """Sums gradients over ranks once per step where that costs no memory, or where it was asked for."""
        parallel = self.trainer.strategy.model
        if isinstance(parallel, DistributedDataParallel) and not last:
            with parallel.no_sync():
                yield
            return
        model: object = self.model  # fully_shard makes it an FSDPModule too
        if self.defer_gradient_sync and isinstance(model, FSDPModule):
            model.set_requires_gradient_sync(last)
        yield

    def _clip_gradients(self) -> Tensor:
        """Scales gradients down to `gradient_clip`, if it is set; returns their norm before that, over all ranks."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()  # of shards, each rank knows only its own norm
        if self.gradient_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters(), self.gradient_clip, norm)
        return norm
