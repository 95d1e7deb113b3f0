"""What tokens cost."""

import pytest
import yaml

from skillmix_lightning.endpoint.prices import load_prices, undated
from skillmix_lightning.errors import InputError

MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}


def file_of(tmp_path, content: object) -> str:
    path = tmp_path / "prices.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    ("model", "usage", "batch", "dollars"),
    [
        ("gpt-4-0613", MILLION, False, 90.0),
        ("gpt-4-0613", MILLION, True, 45.0),
        ("gpt-4-turbo", MILLION, False, 40.0),
        ("gpt-4o", MILLION, False, 12.5),
        ("gpt-4o", {**MILLION, "cached_tokens": 400_000}, False, 12.0),
        ("gpt-4o", {**MILLION, "cached_tokens": 400_000}, True, 6.25),
        ("gpt-4o-2024-05-13", MILLION, False, 20.0),
        ("gpt-4o-mini", MILLION, False, 0.75),
        ("gpt-4.1", {**MILLION, "cached_tokens": 1_000_000}, False, 8.5),
        ("gpt-4.1-mini", MILLION, False, 2.0),
        ("gpt-4.1-nano", MILLION, False, 0.5),
        ("claude-3-opus-20240229", MILLION, False, 90.0),
        ("claude-3-opus-20240229", MILLION, True, 45.0),
        ("gpt-4o", {}, False, 0.0),
        ("gpt-4o", {"prompt_tokens": 1234, "completion_tokens": 56}, False, 0.003645),
    ],
)
def test_known_models_have_their_price(model, usage, batch, dollars):
    assert load_prices().cost(model, usage, batch) == pytest.approx(dollars, abs=1e-12)


@pytest.mark.parametrize(
    ("dated", "plain"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4.1-2025-04-14", "gpt-4.1"),
        ("gpt-4-turbo-2024-04-09", "gpt-4-turbo"),
        ("claude-3-opus-20240229", "claude-3-opus"),
        ("gpt-4-0613", "gpt-4"),
    ],
)
def test_a_dated_name_has_its_plain_names_price(dated, plain):
    prices = load_prices()
    assert undated(dated) == plain
    assert prices.of(dated) == prices.of(plain) is not None


@pytest.mark.parametrize("model", ["llama-2-13b", "gpt-4o-audio-preview", "my-gpt-4", "ft:gpt-4o:me", ""])
def test_other_models_have_none(model):
    assert load_prices().of(model) is None
    assert load_prices().cost(model, MILLION) is None


def test_every_built_in_price_says_when_and_where_it_was_looked_up():
    for model, price in load_prices().models.items():
        assert price.as_of >= "2025-01-01", model
        assert price.source, model
        assert 0 < price.cached_input <= price.input <= price.output, model
        assert (price.batch_input, price.batch_output) == (price.input / 2, price.output / 2), model


def test_a_users_file_corrects_and_adds(tmp_path):
    path = file_of(
        tmp_path,
        {
            "gpt-4": {"input": 1, "output": 2},
            "mine": {"input": 0, "output": 0},
            "x": {"input": 4, "output": 8, "batch": 0.25},
        },
    )
    prices = load_prices(path)
    assert prices.cost("gpt-4", MILLION) == 3
    assert prices.cost("gpt-4", MILLION, batch=True) == 3  # its file promises no discount
    assert prices.cost("gpt-4", {**MILLION, "cached_tokens": 1_000_000}) == 3
    assert prices.cost("mine", MILLION) == 0.0
    assert prices.cost("x", MILLION, batch=True) == 3
    assert prices.cost("gpt-4o", MILLION) == 12.5


def test_batch_prices_can_be_given_one_by_one(tmp_path):
    path = file_of(tmp_path, {"x": {"input": 4, "output": 8, "batch": {"input": 3, "output": 1}}})
    assert load_prices(path).cost("x", MILLION, batch=True) == 4


def test_the_most_a_call_can_cost_does_not_count_on_a_cache(tmp_path):
    price = load_prices(file_of(tmp_path, {"x": {"input": 1, "output": 1, "cached_input": 3}})).of("x")
    assert price.cost_at_most(1_000_000, 1_000_000) == 4
    assert load_prices().of("gpt-4o").cost_at_most(1_000_000, 0) == 2.5


def test_all_problems_of_a_file_are_listed_at_once(tmp_path):
    path = file_of(
        tmp_path,
        """
a: {input: 1}
b: {input: -1, output: .nan, colour: red}
c: 5
d: {input: "1", output: true, batch: {input: 1}}
5: {input: 1, output: 1}
""",
    )
    with pytest.raises(InputError) as caught:
        load_prices(path)
    assert str(caught.value) == (
        f"--prices {path}: a: output is missing; "
        'b: unknown key "colour"; known: input, output, cached_input, batch, as_of, source; '
        "b: input is -1, and must be a number from 0 up; "
        "b: output is nan, and must be a number from 0 up; "
        "c: must have the keys input and output, in dollars per million tokens; "
        "d: batch must be a factor, or have the keys input and output; "
        "d: input is '1', and must be a number from 0 up; "
        "d: output is True, and must be a number from 0 up; "
        "the model name 5 is no text; put it into quotes"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1, 2]", "must map model names to prices"),
        ("a: {b", "cannot be read as YAML"),
        (None, "cannot be read (No such"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path, content, said):
    path = str(tmp_path / "none.yaml") if content is None else file_of(tmp_path, content)
    with pytest.raises(InputError) as caught:
        load_prices(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
