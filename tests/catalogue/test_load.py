import re
from pathlib import Path

import pytest

from skillmix_lightning.catalogue import load_catalogue
from skillmix_lightning.errors import InputError

SKILLS = """
skills:
  - {name: metaphor, category: literary, definition: One thing is called another., example: Time is a thief.}
  - {name: deduction, category: logic, definition: A claim follows from premises., example: "All men die, so I die."}
"""
TOPICS = """
topics:
  - {name: Sewing, split: train}
  - {name: Knots, split: held_out}
"""
INCOMPATIBLE = """
incompatible:
  - {skills: [metaphor, deduction], reason: They cannot meet.}
"""


def folder_with(folder: Path, **files: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    return str(folder)


def error_of(path: str) -> str:
    with pytest.raises(InputError) as refused:
        load_catalogue(path)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_the_files_of_a_folder_are_merged(tmp_path: Path) -> None:
    catalogue = load_catalogue(folder_with(tmp_path, a=SKILLS, b=TOPICS, c=INCOMPATIBLE))
    assert [(skill.name, skill.split) for skill in catalogue.skills] == [
        ("metaphor", "train"),
        ("deduction", "held_out"),
    ]
    assert [topic.name for topic in catalogue.split_topics("held_out")] == ["Knots"]
    assert catalogue.incompatible_pairs == {frozenset({"metaphor", "deduction"})}


def test_one_file_is_a_catalogue_too(tmp_path: Path) -> None:
    folder_with(tmp_path, whole=SKILLS + TOPICS)
    assert len(load_catalogue(str(tmp_path / "whole.yaml")).skills) == 2


def test_the_id_follows_the_content_and_not_the_order_of_files(tmp_path: Path) -> None:
    one = load_catalogue(folder_with(tmp_path / "one", a=SKILLS, b=TOPICS))
    turned = load_catalogue(folder_with(tmp_path / "turned", a=TOPICS, b=SKILLS))
    pairs = load_catalogue(folder_with(tmp_path / "pairs", a=SKILLS, b=TOPICS, c=INCOMPATIBLE))
    other = load_catalogue(folder_with(tmp_path / "other", a=SKILLS.replace("a thief", "money"), b=TOPICS))
    assert one.id == turned.id
    assert len({one.id, pairs.id, other.id}) == 3
    assert len(one.id) == 16


def test_every_problem_of_every_file_is_listed_at_once(tmp_path: Path) -> None:
    bad_row = "  - {name: simile, category: poetry, definition: short, exmple: A text like this one.}\n"
    message = error_of(
        folder_with(
            tmp_path,
            a=SKILLS + bad_row + "  - just a word\n",
            b="topics: [unclosed",
            c="topic: []",
            d="skills: {metaphor: 1}",
            e="- a list",
            f="incompatible: [{skills: [metaphor, metafor], reason: They cannot meet.}]",
            g=SKILLS,
        )
    )
    opening, _, listed = message.partition(": ")
    assert opening == str(tmp_path)
    for problem in (
        'a.yaml, skill 3 "simile": the category "poetry" is unknown; known: literary, rhetorical, reasoning, logic, ',
        'a.yaml, skill 3 "simile": the definition is too short ("short"); give one sentence that a grader can apply',
        'a.yaml, skill 3 "simile": the field example is missing; give a text that shows the skill and does not name it',
        'a.yaml, skill 3 "simile": the field "exmple" is unknown; did you mean "example"?',
        "a.yaml, skill 4: is not a mapping with the fields name, category, definition, form, example, repeats, common",
        "b.yaml cannot be read as YAML (",
        'c.yaml has the unknown key "topic"; did you mean "topics"?',
        'd.yaml, "skills" is not a list',
        "e.yaml holds no mapping; give it the keys skills, topics, incompatible",
        'f.yaml, incompatible pair 1: no skill is called "metafor"; did you mean "metaphor"?',
        'the skill "metaphor" stands 2 times (a.yaml, skill 1 and g.yaml, skill 1)',
        'the skill "deduction" stands 2 times (a.yaml, skill 2 and g.yaml, skill 2)',
        'the definition "One thing is called another." stands 2 times (a.yaml, skill 1 and g.yaml, skill 1)',
        "no topic is in the train split",
        "no topic is in the held_out split",
    ):
        assert problem in listed


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("name: metaphor", "name: ' '", "skill 1: the name is empty"),
        ("name: metaphor", "name: yes", 'skill 1 "True": the name was read as True, not as text; put it in quotation'),
        (
            "A claim follows from premises.",
            "''",
            'skill 2 "deduction": the definition is empty; give one sentence that',
        ),
        (
            "category: logic",
            "category: logical",
            'skill 2 "deduction": the category "logical" is unknown; did you mean',
        ),
        ("name: deduction", "name: Metaphor", 'the skill "metaphor" stands 2 times (all.yaml, skill 1 and all.yaml, '),
        ("split: train", "split: trian", "topic 1 \"Sewing\": split: Input should be 'train' or 'held_out'"),
        ("[metaphor, deduction]", "[deduction, deduction]", 'incompatible pair 1: "deduction" is paired with itself'),
        ("They cannot meet.", "No.", 'incompatible pair 1: the reason is too short ("No."); say why the two cannot'),
        ("topics:", "skills: []\ntopics:", 'all.yaml cannot be read as YAML ("skills" stands twice'),
        ("split: held_out}", "split: held_out, split: train}", 'all.yaml cannot be read as YAML ("split" stands twice'),
    ],
)
def test_a_mistake_is_one_clear_clause(tmp_path: Path, good: str, bad: str, problem: str) -> None:
    content = SKILLS + TOPICS + INCOMPATIBLE
    assert good in content
    assert problem in error_of(folder_with(tmp_path, all=content.replace(good, bad, 1)))


def test_a_common_skill_is_marked_so_and_the_others_are_not(tmp_path: Path) -> None:
    skills = SKILLS.replace("{name: metaphor,", "{name: metaphor, common: true,")
    catalogue = load_catalogue(folder_with(tmp_path / "marked", a=skills, b=TOPICS))
    assert [skill.common for skill in catalogue.skills] == [True, False]
    assert catalogue.id != load_catalogue(folder_with(tmp_path / "unmarked", a=SKILLS, b=TOPICS)).id


def test_blanks_that_yaml_leaves_at_the_ends_of_a_text_are_dropped(tmp_path: Path) -> None:
    skills = SKILLS.replace(
        "definition: A claim follows from premises.", 'definition: "A claim follows from premises.\\n "'
    )
    catalogue = load_catalogue(folder_with(tmp_path, a=skills, b=TOPICS))
    assert catalogue.skill("deduction").definition == "A claim follows from premises."


def test_a_split_without_skills_is_a_problem(tmp_path: Path) -> None:
    path = folder_with(tmp_path, a=SKILLS.replace("literary", "pragmatics"), b=TOPICS)
    assert error_of(path) == f"{path}: no skill is in the train split"


def test_a_missing_or_empty_place_is_one_line(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert error_of(nowhere) == f"--catalogue {nowhere}: no such file or folder; built in: language, verifiable"
    assert error_of(str(tmp_path)) == f"--catalogue {tmp_path}: the folder holds neither a .yaml file nor skills.csv"


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"skills: \xff\xfe")
    assert "bytes.yaml cannot be read as YAML (" in error_of(str(tmp_path))


def test_the_guide_s_example_is_a_catalogue(tmp_path: Path, repository: Path) -> None:
    guide = (repository / "docs" / "catalogues.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    catalogue = load_catalogue(folder_with(tmp_path, example=example))
    assert [len(catalogue.split_skills(split)) for split in ("train", "held_out")] == [2, 2]
    assert [len(catalogue.split_topics(split)) for split in ("train", "held_out")] == [2, 2]
    assert [skill.name for skill in catalogue.skills if skill.common] == ["metaphor"]
    assert catalogue.incompatible_pairs == {frozenset({"litotes", "modus tollens"})}


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    catalogue = load_catalogue(folder_with(tmp_path, a=SKILLS, b=TOPICS))
    with pytest.raises(InputError) as refused:
        catalogue.skill("metafor")
    assert str(refused.value) == 'no skill is called "metafor" in the catalogue; did you mean "metaphor"?'
    with pytest.raises(InputError) as refused:
        catalogue.topic("Quantum chromodynamics")
    assert str(refused.value) == (
        'no topic is called "Quantum chromodynamics" in the catalogue; the catalogue has 2 topics'
    )
