"""The wording: versioned prompt files, their rendering, and the extraction of answers."""

from skillmix_lightning.prompts.extract import extract_answer, extract_answer_reference
from skillmix_lightning.prompts.load import load_prompts
from skillmix_lightning.prompts.render import PromptSet
from skillmix_lightning.prompts.wording import RubricWording

__all__ = ["PromptSet", "RubricWording", "extract_answer", "extract_answer_reference", "load_prompts"]
