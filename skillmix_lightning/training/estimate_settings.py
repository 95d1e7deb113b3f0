"""What of a fit's config decides its memory."""

from dataclasses import dataclass

from skillmix_lightning.training.adapters import Quantization
from skillmix_lightning.training.optimizers import OptimizerName
from skillmix_lightning.training.parallelize import ActivationCheckpointing

#: Bytes of a number.
FP32 = 4


@dataclass(frozen=True)
class FitSettings:
    """The settings that count.

    Attributes:
        ranks: processes of the fit.
        sharded: whether they share weights, gradients and states (fsdp2); if not, each has its own.
        bf16: compute in bf16, with weights in fp32.
        rows: examples of a micro-batch that lie side by side; 1 for padding-free ones.
        row_tokens: tokens of each row.
        attention: as transformers names it.
    """

    ranks: int = 1
    sharded: bool = False
    bf16: bool = True
    rows: int = 4
    row_tokens: int = 1024
    padding_free: bool = False
    attention: str = "sdpa"
    optimizer: OptimizerName = "adam"
    quantization: Quantization | None = None
    activation_checkpointing: ActivationCheckpointing = "none"
    reshard_after_forward: bool = True
    defer_gradient_sync: bool = False
    cpu_offload: bool = False
    logits_chunk: int = 4096

    @property
    def tokens(self) -> int:
        """Of a micro-batch."""
        return self.rows * self.row_tokens

    @property
    def compute_bytes(self) -> int:
        """Of a number in a matrix product."""
        return 2 if self.bf16 else FP32

    @property
    def autocast(self) -> bool:
        """Whether torch casts inputs and weights at every matrix product; FSDP2 gathers weights in bf16 instead."""
        return self.bf16 and not self.sharded
