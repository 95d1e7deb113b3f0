import yaml

from skillmix_lightning.pipeline.dataset_card import card
from skillmix_lightning.pipeline.dataset_yield import Yield

MANIFEST = {
    "plan": {
        "catalogue": "language",
        "attempts": {"1": 5000, "2": 10000},
        "accepted": None,
        "gradings": 3,
        "name_rule": True,
        "near_duplicates": 0.8,
        "seed": 0,
    },
    "catalogue_id": "c0ffee",
    "prompts": {"id": "paper-v1", "sha256": "ab" * 32},
    "grader_prompts": {"id": "paper-v1", "sha256": "cd" * 32},
    "student": {"class": "EndpointStudent", "settings": {"model": "writer: a {strange} name"}},
    "grader": {"class": "EndpointGrader", "settings": {"model": "judge"}},
    "made_with": {"skillmix-lightning": "0.1.0"},
}
YIELDS = [
    Yield(k=1, written=5000, kept=4321, duplicates=9, failed=670),
    Yield(k=2, written=10000, kept=5000, failed=5000),
]


def test_the_front_matter_names_the_one_file_that_is_data() -> None:
    _, front, _ = card(MANIFEST, YIELDS).split("---\n", 2)
    read = yaml.safe_load(front)
    assert read["configs"] == [{"config_name": "default", "data_files": "dataset.jsonl"}]
    assert read["pretty_name"] == "D_SKILL-MIX(1, 2)"
    assert read["size_categories"] == ["1K<n<10K"]


def test_it_says_who_wrote_and_graded_by_which_rules_and_what_came_of_it() -> None:
    lines = card(MANIFEST, YIELDS).splitlines()
    for line in (
        "# D_SKILL-MIX(1, 2): 9,321 texts",
        "- catalogue: language (id c0ffee)",
        "- prompts: paper-v1 (sha256 abababababababab)",
        "- grader's prompts: paper-v1 (sha256 cdcdcdcdcdcdcdcd)",
        "- student: EndpointStudent writer: a {strange} name",
        "- grader: EndpointGrader judge",
        "- grading rounds: 3",
        "- a text that names a skill: loses its point",
        "- near duplicates: from a similarity of 0.8",
        "- texts asked for (attempts): k=1: 5,000, k=2: 10,000",
        "| 1 | 5,000 | 4,321 | 670 | 0 | 0 | 9 | 0 | 0 |",
    ):
        assert line in lines


def test_verifiable_texts_are_never_passed_off_as_model_graded_ones() -> None:
    sentence = "They are no substitute for SKILL-MIX texts graded by a model or by people"
    assert sentence not in card(MANIFEST, YIELDS)
    assert sentence in card({**MANIFEST, "plan": {**MANIFEST["plan"], "catalogue": "verifiable"}}, YIELDS)
