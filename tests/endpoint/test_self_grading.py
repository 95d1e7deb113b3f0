"""A student that is its own grader."""

from dataclasses import dataclass

import pytest

from skillmix_lightning.endpoint.self_grading import refuse_self_grading
from skillmix_lightning.errors import InputError


@dataclass
class Served:
    model: str
    base_url: str = "https://api.openai.com/v1"


@dataclass
class Local:
    model: str


GPT4 = Served("gpt-4")


@pytest.mark.parametrize(
    ("student", "grader"),
    [
        (GPT4, GPT4),
        (GPT4, Served("gpt-4", "https://API.openai.com:443/v1/")),
        (GPT4, Served("gpt-4-0613")),
        (Served("gpt-4o-2024-08-06"), Served("gpt-4o")),
        (Served("m", "http://localhost:8000/v1"), Served("m", "http://127.0.0.1:8000/v1")),
    ],
)
def test_the_same_model_at_the_same_server_is_refused_unless_allowed(student, grader):
    with pytest.raises(InputError) as caught:
        refuse_self_grading(student, grader)
    assert str(caught.value) == (
        f"the student {student.model} would be its own grader, and models favour their own texts; "
        "give another --grader.model, or --allow_self_grading true"
    )
    refuse_self_grading(student, grader, allow=True)


@pytest.mark.parametrize(
    ("student", "grader"),
    [
        (GPT4, Served("gpt-4o")),
        (Served("gpt-4-0613"), Served("gpt-4-0314")),
        (GPT4, Served("gpt-4", "http://127.0.0.1:8000/v1")),
        (Served("m", "http://127.0.0.1:8000/v1"), Served("m", "http://127.0.0.1:8001/v1")),
        (Local("gpt-4"), GPT4),
        (GPT4, Local("gpt-4")),
        (object(), object()),
    ],
)
def test_anything_else_is_allowed(student, grader):
    refuse_self_grading(student, grader)
