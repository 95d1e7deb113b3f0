import json
import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from records import composition, grade

from skillmix_lightning.scoring import METRICS, CombinationScore, score, score_combinations
from skillmix_lightning.scoring.metrics import TextScore
from skillmix_lightning.scoring.torchmetric import SkillMixMetric

rows_of_any_kind = st.lists(
    st.builds(
        CombinationScore,
        combination_id=st.text(),
        split=st.just("train"),
        k=st.just(3),
        score=st.none()
        | st.builds(
            TextScore,
            full_marks=st.sampled_from([0.0, 1.0]),
            all_skills=st.sampled_from([0.0, 1.0]),
            skill_fraction=st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]),
        ),
    ),
    max_size=20,
)
#: The second of two ranks: updates with its share of the rows and prints what it computes.
SECOND_RANK = """
import json, sys
import torch.distributed as dist
from skillmix_lightning.scoring import CombinationScore
from skillmix_lightning.scoring.metrics import TextScore
from skillmix_lightning.scoring.torchmetric import SkillMixMetric

dist.init_process_group("gloo", init_method=sys.argv[1], rank=1, world_size=2)
metric = SkillMixMetric()
metric.update([CombinationScore("c", "train", 2, TextScore(0, 0, 0.5))])
print(json.dumps({name: value.item() for name, value in metric.compute().items()}))
dist.destroy_process_group()
"""


def computed(*shares: list[CombinationScore]) -> dict[str, float]:
    metric = SkillMixMetric()
    for share in shares:
        metric.update(share)
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.mark.parametrize("name_rule", [True, False])
def test_it_says_what_the_offline_scorer_says(name_rule: bool) -> None:
    names = ["metaphor", "simile", "litotes"]
    texts = [composition(f"c{n}", names, text="Such metaphors!" if n == 0 else "A text.") for n in range(5)]
    earned = ["111 111", "110 111", "111 110", "000 000"]
    grades = [grade(text, points) for text, points in zip(texts, earned, strict=False)]
    (row,) = score(texts, grades, name_rule=name_rule)
    values = computed(score_combinations(texts, grades, name_rule=name_rule))
    assert values.pop("unscored") == row.unscored == 1
    assert values["full_marks"] == (0 if name_rule else 1 / 4)
    assert values == pytest.approx({metric: getattr(row, metric) for metric in METRICS}, abs=1e-15)


@given(first=rows_of_any_kind, second=rows_of_any_kind)
def test_shares_add_up(first: list[CombinationScore], second: list[CombinationScore]) -> None:
    left, right, whole = SkillMixMetric(), SkillMixMetric(), SkillMixMetric()
    left.update(first)
    right.update(second)
    whole.update(first + second)
    for state in ("total", "scored", "unscored"):
        summed = getattr(left, state) + getattr(right, state)
        torch.testing.assert_close(summed, getattr(whole, state), rtol=0, atol=1e-12)
    assert computed(first, second) == pytest.approx(computed(first + second), nan_ok=True, abs=1e-12)


def test_without_a_scored_combination_the_means_are_nan_and_reset_forgets() -> None:
    metric = SkillMixMetric()
    metric.update([CombinationScore("c", "train", 2, TextScore(1, 1, 1))])
    metric.reset()
    metric.update([CombinationScore("c", "train", 2, None)])
    values = metric.compute()
    assert values["unscored"] == 1
    assert all(math.isnan(values[name]) for name in METRICS)


def test_two_processes_compute_the_mean_over_both(tmp_path: Path) -> None:
    meeting = (tmp_path / "meeting").as_uri()
    command = [sys.executable, "-c", SECOND_RANK, meeting]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        try:
            dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=2, timeout=timedelta(seconds=120))
            scores = (TextScore(1, 1, 1), TextScore(0, 1, 0), None)
            here = computed([CombinationScore("c", "train", 2, score) for score in scores])
            output, error = other.communicate(timeout=120)
        finally:
            other.kill()
            if dist.is_initialized():
                dist.destroy_process_group()
    assert other.returncode == 0, error
    assert json.loads(output) == here
    assert here == pytest.approx({"full_marks": 1 / 3, "all_skills": 2 / 3, "skill_fraction": 1.5 / 3, "unscored": 1})
