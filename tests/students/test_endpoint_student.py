import pytest
from chat_server import KEY, refuses, says

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.endpoint import Services, Stopped, retry
from skillmix_lightning.endpoint.budget import Budget
from skillmix_lightning.endpoint.cache import ResponseCache
from skillmix_lightning.endpoint.prices import Price, Prices
from skillmix_lightning.errors import InputError
from skillmix_lightning.students.base import Request
from skillmix_lightning.students.endpoint import EndpointStudent


def request(index: int = 0, turns: tuple[str, ...] = ("Write.", "Improve it.")) -> Request:
    combination = Combination(f"{index:016x}", "train", ("anaphora", "simile"), "sewing")
    return Request(combination, generation=1, turns=turns)


def student_of(server, **settings) -> EndpointStudent:
    return EndpointStudent("gpt-x", server.base_url, "TEST_KEY", **settings)


def test_a_two_turn_request_is_one_conversation(server):
    server.script = [says("Answer: First.\nExplanation: x"), says("Answer: Second.\nExplanation: y")]
    student = student_of(server, temperature=0.2, max_new_tokens=50)
    [composition] = student.write([request()])

    assert len(server.calls) == 2
    asked, asked_again = server.calls
    assert asked == {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": "Write."}],
        "temperature": 0.2,
        "max_tokens": 50,
    }
    assert asked_again["messages"] == [
        {"role": "user", "content": "Write."},
        {"role": "assistant", "content": "Answer: First.\nExplanation: x"},
        {"role": "user", "content": "Improve it."},
    ]
    assert composition.text == "Second."
    assert [turn["role"] for turn in composition.turns] == ["user", "assistant", "user", "assistant"]
    assert composition.turns[-1]["content"] == "Answer: Second.\nExplanation: y"
    assert composition.combination == request().combination
    assert composition.generation == 1
    assert composition.finish_reason == "stop"
    assert composition.student == student.name == "gpt-x"
    assert composition.usage == {"prompt_tokens": 20, "completion_tokens": 6, "model": "m-0613", "cost_usd": 0.0}


@pytest.mark.parametrize(
    ("theirs", "ours"), [("stop", "stop"), ("length", "length"), ("content_filter", "error"), ("tool_calls", "error")]
)
def test_a_cut_or_filtered_answer_is_told_from_a_finished_one(server, theirs, ours):
    server.default = says("It", theirs)
    [composition] = student_of(server).write([request(turns=("Write.",))])
    assert composition.finish_reason == ours


def test_every_request_is_answered_within_the_limit(server):
    server.delay_s = 0.01
    wanted = [request(index) for index in range(12)]
    compositions = list(student_of(server, concurrency=3).write(wanted))
    ids = sorted(composition.combination.id for composition in compositions)
    assert ids == [one.combination.id for one in wanted]
    assert len(server.calls) == 24
    assert server.most_at_once == 3


def test_a_rate_limit_is_waited_out(server):
    server.script = [refuses(429, "slow down", Retry_After="0")]
    [composition] = student_of(server).write([request(turns=("Write.",))])
    assert composition.text == "It is."
    assert len(server.calls) == 2


def test_a_seed_counts_up_with_the_generations(server):
    list(student_of(server, seed=40).write([request(turns=("Write.",))]))
    assert server.calls[0]["seed"] == 41  # generation 1


def test_the_limit_of_a_reply_goes_by_the_name_that_the_server_knows(server):
    list(student_of(server, max_new_tokens=99).write([request(turns=("Write.",))]))
    list(student_of(server, max_new_tokens=99, max_tokens_parameter="max_completion_tokens").write([request()]))
    told = [{name: call[name] for name in call if "tokens" in name} for call in server.calls]
    assert told == [{"max_tokens": 99}, {"max_completion_tokens": 99}, {"max_completion_tokens": 99}]


def test_what_was_written_is_not_paid_for_again(server, tmp_path):
    prices = Prices({"gpt-x": Price(10.0, 20.0, 10.0, 10.0, 20.0)})
    services = Services(ResponseCache(tmp_path / "cache.sqlite"), Budget(None, None, prices))
    student = student_of(server)
    student.services = services
    [written], [again] = (list(student.write([request()])) for _ in range(2))
    assert len(server.calls) == 2
    assert written.usage["cost_usd"] == pytest.approx(2 * (10 * 10 + 3 * 20) / 1e6)
    assert again.usage["cost_usd"] == 0
    assert (again.text, again.turns) == (written.text, written.turns)
    assert services.budget.spent_usd == pytest.approx(written.usage["cost_usd"])


def test_a_server_that_stays_away_leaves_work_to_resume(server, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)
    server.default = refuses(503, "overloaded")
    with pytest.raises(Stopped, match="given up after 8 attempts"):
        list(student_of(server, concurrency=1).write([request()]))


def test_a_refused_key_fails_after_one_call_with_what_to_set(server):
    server.default = refuses(401, f"Incorrect key {KEY}")
    with pytest.raises(InputError) as caught:
        list(student_of(server, concurrency=1).write([request(index) for index in range(5)]))
    assert str(caught.value) == (
        f"the server at {server.base_url} answers 401: set the key in the variable named by api_key_env (TEST_KEY) "
        "(it says: Incorrect key ***)"
    )
    assert len(server.calls) == 1


def test_a_setting_that_cannot_work_is_said_before_anything_is_written():
    with pytest.raises(InputError, match="is no http:// or https:// address"):
        EndpointStudent("m", base_url="127.0.0.1:8000/v1")
