"""From grades to scores: the vote, the metrics, the aggregation over generations, the intervals.

Nothing in this room talks to a model or a server, and only `torchmetric` needs torch.
"""

from skillmix_lightning.scoring.metrics import METRICS, CombinationScore, score_combinations
from skillmix_lightning.scoring.scores import Score, score, write_scores

__all__ = ["METRICS", "CombinationScore", "Score", "score", "score_combinations", "write_scores"]
