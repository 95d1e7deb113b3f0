"""From grades to scores: the vote, the metrics, the aggregation over generations, the intervals.

Nothing in this room talks to a model or a server, and only `torchmetric` needs torch.
"""

from skillmix_lightning.scoring.metrics import METRICS, OverGenerations
from skillmix_lightning.scoring.scores import Score, score, scores_document, write_scores
from skillmix_lightning.scoring.texts import CombinationScore, Protocol, score_combinations

__all__ = [
    "METRICS",
    "CombinationScore",
    "OverGenerations",
    "Protocol",
    "Score",
    "score",
    "score_combinations",
    "scores_document",
    "write_scores",
]
