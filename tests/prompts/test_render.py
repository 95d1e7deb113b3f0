import hashlib
from pathlib import Path

import pytest
from records import small_catalogue

from skillmix_lightning.catalogue import combination_of, draw_combinations, load_catalogue
from skillmix_lightning.errors import InputError
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.prompts.load import BUILT_IN

SMALL = small_catalogue()


def prompts_of(folder: Path, content: str):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generation.yaml").write_text(content, encoding="utf-8")
    return load_prompts(str(folder))


def rendered(folder: Path, turn: str, *skills: str, catalogue=SMALL, topic: str = "Sewing") -> str:
    prompts = prompts_of(folder, f"turns: ['{turn}']")
    (text,) = prompts.generation_turns(catalogue, combination_of(catalogue, "train", skills, topic))
    return text


def test_every_field_is_filled_in(tmp_path: Path) -> None:
    turn = "{topic}|{skills}|{skills_defined}|{sentence_limit}"
    assert rendered(tmp_path, turn, "simile", "metaphor", "litotes") == (
        "Sewing|simile, metaphor, litotes|"
        "- simile: A text shows simile. Example: An example of simile.\n"
        "- metaphor: A text shows metaphor. Example: An example of metaphor.\n"
        "- litotes: A text shows litotes. Example: An example of litotes.|"
        "two sentences"
    )


@pytest.mark.parametrize(
    ("k", "words"), [(1, "one sentence"), (2, "one sentence"), (3, "two sentences"), (4, "three sentences")]
)
def test_the_limit_is_in_words_and_agrees_in_number(tmp_path: Path, k: int, words: str) -> None:
    assert rendered(tmp_path, "{sentence_limit}", *["metaphor", "simile", "anaphora", "litotes"][:k]) == words


def test_what_is_filled_in_is_not_searched_for_fields(tmp_path: Path) -> None:
    catalogue = small_catalogue(training=["{topic}", "simile"], training_topics=["{skills}"])
    text = rendered(tmp_path, "{skills} in {topic}", "{topic}", "simile", catalogue=catalogue, topic="{skills}")
    assert text == "{topic}, simile in {skills}"


def test_a_skill_is_followed_by_its_form_where_it_has_one(tmp_path: Path) -> None:
    catalogue = load_catalogue("verifiable")
    turn = "Show {skills_and_forms}."
    assert rendered(tmp_path, turn, "simile", "litotes", catalogue=catalogue) == (
        "Show simile (as ... as a ...), litotes (not unkind)."
    )
    assert rendered(tmp_path / "small", turn, "simile", "litotes") == "Show simile, litotes."


def test_braces_that_are_no_field_stay(tmp_path: Path) -> None:
    assert rendered(tmp_path, "{} { topic } {{topic}}", "simile") == "{} { topic } {Sewing}"


def test_unknown_fields_are_all_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        prompts_of(tmp_path, "turns: ['{topics} {skills}', '{skill}']")
    known = "known: sentence_limit, skills, skills_and_forms, skills_defined, topic"
    assert str(refused.value) == (
        f"{tmp_path / 'generation.yaml'}: unknown field {{skill}}; {known}; unknown field {{topics}}; {known}"
    )


@pytest.mark.parametrize("content", ["", "- a list", "turn: [Write.]", "turns: Write.", "turns: []", "turns: [' ']"])
def test_a_file_without_turns_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError) as refused:
        prompts_of(tmp_path, content)
    assert str(refused.value) == f'{tmp_path / "generation.yaml"}: the key "turns" must be a list of at least one text'


def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        prompts_of(tmp_path, "turns: [\n'unclosed")
    assert str(refused.value).startswith(f"{tmp_path / 'generation.yaml'}: cannot be read as YAML (")
    assert "\n" not in str(refused.value)


def test_a_missing_folder_is_one_line_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_prompts(str(tmp_path / "mine"))
    assert str(refused.value) == (
        f"--prompts {tmp_path / 'mine'}: no file {tmp_path / 'mine' / 'generation.yaml'}; "
        "give a folder with one, or brief-v1, hardened-v1, paper-v1"
    )


def test_a_set_is_known_by_its_folder_and_its_bytes(tmp_path: Path) -> None:
    content = "turns: ['Write about {topic}.']\n"
    prompts = prompts_of(tmp_path / "mine", content)
    assert prompts.id == "mine"
    assert prompts.sha256 == hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize(("name", "turns"), [("brief-v1", 1), ("hardened-v1", 2), ("paper-v1", 2)])
@pytest.mark.parametrize("k", range(1, 6))
def test_the_built_in_sets_say_everything_for_every_k(name: str, turns: int, k: int) -> None:
    catalogue = load_catalogue("verifiable")
    (combination,) = draw_combinations(catalogue, "all", k, 1)
    prompts = load_prompts(name)
    said = prompts.generation_turns(catalogue, combination)
    assert prompts.id == name
    assert len(said) == turns
    assert not any(mark in turn for turn in said for mark in "{}")
    assert all(combination.topic in turn for turn in said)
    assert all(skill in said[0] for skill in combination.skills)
    limit = {1: "one sentence", 2: "one sentence", 3: "two sentences", 4: "three sentences", 5: "four sentences"}[k]
    assert f"at most {limit}" in said[-1]


def test_the_built_in_sets_are_the_folders_that_are_shipped() -> None:
    folder = Path(load_prompts.__wrapped__.__code__.co_filename).parent
    assert sorted(file.parent.name for file in folder.glob("*/generation.yaml")) == list(BUILT_IN)
