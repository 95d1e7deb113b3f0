"""Skills, topics, splits, and the drawing of combinations. The loop starts here."""

from skillmix_lightning.catalogue.contamination import ContaminationRow, contamination
from skillmix_lightning.catalogue.draw import Content, combination_of, draw_combinations, incompatible_in
from skillmix_lightning.catalogue.load import lexicon, load_catalogue
from skillmix_lightning.catalogue.types import (
    TRAINING_CATEGORIES,
    Catalogue,
    Combination,
    IncompatiblePair,
    Skill,
    Split,
    Topic,
    TopicWords,
    sentence_limit,
)

__all__ = [
    "TRAINING_CATEGORIES",
    "Catalogue",
    "Combination",
    "ContaminationRow",
    "Content",
    "IncompatiblePair",
    "Skill",
    "Split",
    "Topic",
    "TopicWords",
    "combination_of",
    "contamination",
    "draw_combinations",
    "incompatible_in",
    "lexicon",
    "load_catalogue",
    "sentence_limit",
]
