"""The wording: versioned prompt files, their rendering, and the extraction of answers."""

from skillmix_lightning.prompts.extract import extract_answer
from skillmix_lightning.prompts.render import PromptSet, load_prompts

__all__ = ["PromptSet", "extract_answer", "load_prompts"]
