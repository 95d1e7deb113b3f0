"""Model names, and what they load: base weights and tokenizers for students and for training."""

from skillmix_lightning.models.embedded import embedded_model, embedded_root
from skillmix_lightning.models.load import load_causal_lm, load_tokenizer, resolve_model

__all__ = ["embedded_model", "embedded_root", "load_causal_lm", "load_tokenizer", "resolve_model"]
