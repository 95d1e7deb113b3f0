"""Model names, and what they load: base weights and tokenizers for students and for training."""

from skillmix_lightning.models.chat import opening
from skillmix_lightning.models.embedded import embedded_model, embedded_root
from skillmix_lightning.models.load import load_causal_lm, load_tokenizer, resolve_model, to_accelerator
from skillmix_lightning.models.precision import Precision, fastest_precision

__all__ = [
    "Precision",
    "embedded_model",
    "embedded_root",
    "fastest_precision",
    "load_causal_lm",
    "load_tokenizer",
    "opening",
    "resolve_model",
    "to_accelerator",
]
