"""Whatever a grader writes: what was rendered is read back, and nothing raises."""

import json
from collections.abc import Callable

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from skillmix_lightning.catalogue import Combination
from skillmix_lightning.graders.parse import parse_reply
from skillmix_lightning.graders.parse.labels import Labels
from skillmix_lightning.graders.rubric import Rubric

# Letters, digits, marks and signs of any script, and what tables, lists and JSON are made of; no line breaks, and no
# backslash, which escapes the pipe behind it.
CHARACTERS = st.characters(categories=["L", "N", "P", "S"], exclude_characters="\\") | st.sampled_from("|(), ")
NAMES = st.text(CHARACTERS, min_size=1, max_size=24).map(lambda name: " ".join(name.split())).filter(bool)
EVEN = st.sampled_from([0, 1])
POINTS = st.sampled_from([0, 1, 0.5, 0.25])


def escaped(label: str) -> str:
    return label.replace("|", r"\|")


def table(
    row: str, header: str = "| Criteria | Points Earned |\n|:---|---:|"
) -> Callable[[list[tuple[str, str]]], str]:
    def render(rows: list[tuple[str, str]]) -> str:
        lines = [row.format(n=n, name=name, point=point) for n, (name, point) in enumerate(rows, start=1)]
        return "\n".join(["Here is the grading table:", "", header, *lines, "", "Explanation: so it is."])

    return render


SHAPES = {
    "plain": table("| {name} | {point} |"),
    "narrow": table("|{name} |{point}|"),
    "no header": table("| {name} | {point} |", header=""),
    "no outer pipes": table("{name} | {point}", header="Criteria | Points Earned\n---|---"),
    "bold": table("| **{name}** | **{point}** |"),
    "code": table("| `{name}` | `{point}` |"),
    "numbered": table("| {n}. {name} | {point} |"),
    "numbered in a column": table("| {n} | {name} | {point} |", header="| # | Criteria | Points |\n|---|---|---|"),
    "with a maximum": table(
        "| {name} | 1 | {point}/1 |", header="| Criteria | Maximum | Points Earned |\n|---|---|---|"
    ),
    "with a comment": table("| {name} | {point} | no (2) |", header="| Criterion | Score | Comment |\n|---|---|---|"),
    "spaced out": table("| {name} | {point} |\n"),
}


@st.composite
def rubrics(draw: st.DrawFn) -> Rubric:
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=lambda name: name.casefold()))
    rubric = Rubric.of(Combination("c", "all", tuple(names), draw(NAMES)))
    labels = Labels(rubric)
    # Names that differ in nothing but their case or composed letters are one name to a reader, too.
    assume(all(len(labels.spelled(label)) == 1 for label in rubric.labels))
    return rubric


@given(rubrics(), st.data(), st.sampled_from(sorted(SHAPES)), st.booleans())
@settings(max_examples=400)
def test_what_a_table_says_is_read_back(rubric: Rubric, data: st.DataObject, shape: str, escape: bool) -> None:
    points = {criterion: data.draw(POINTS) for criterion in rubric.criteria}
    rows = [
        (escaped(label) if escape else label, str(point))
        for label, point in zip(rubric.labels, points.values(), strict=True)
    ]
    reply = SHAPES[shape](data.draw(st.permutations(rows)))
    parsed = parse_reply(reply, rubric)
    assert (parsed.status, parsed.points) == ("ok", points), parsed.reason


@given(rubrics(), st.data(), st.booleans())
def test_what_a_json_verdict_says_is_read_back(rubric: Rubric, data: st.DataObject, by_id: bool) -> None:
    points = {criterion: data.draw(POINTS) for criterion in rubric.criteria}
    keys = rubric.criteria if by_id else rubric.labels
    parsed = parse_reply(json.dumps(dict(zip(keys, points.values(), strict=True))), rubric)
    assert (parsed.status, parsed.points) == ("ok", points)


@given(rubrics(), st.data())
def test_a_table_without_one_of_its_rows_is_unparsed(rubric: Rubric, data: st.DataObject) -> None:
    missing = data.draw(st.sampled_from(rubric.criteria))
    rows = [
        (escaped(label), "1")
        for label, criterion in zip(rubric.labels, rubric.criteria, strict=True)
        if criterion != missing
    ]
    parsed = parse_reply(SHAPES["plain"](rows), rubric)
    assert (parsed.status, parsed.points) == ("unparsed", {})
    assert parsed.reason == f"no row for criterion '{missing}'"


# fmt: off
FRAGMENTS = st.lists(
    st.sampled_from([
        "|", "\n", "---", "Text makes sense", "Pertains to Sewing", "1", "0", "-1", "✓", "{", "}", "[", "]", '"topic"',
        ":",
        "Here is the grading table:", "Criteria", "Points Earned", "Total", "**", "`", "```json", "\\", "(", ")", " ",
        ",",
        "Correctly illustrates metaphor", "At most one sentence", "I'm sorry", "NaN", "1e999", "\ud800", "9" * 5000,
    ]),
    max_size=60,
).map("".join)
# fmt: on
RUBRIC = Rubric.of(Combination("c", "all", ("metaphor",), "Sewing"))


@given(st.text() | FRAGMENTS, st.sampled_from(["stop", "length", "content_filter", "", "tool_calls"]))
@example("[" * 100_000, "stop")
@example('{"a":' * 20_000, "length")
@example("|" * 100_000, "stop")
@example("*" * 20_000 + "|", "stop")
@example("- " * 2_000 + "|1", "stop")
@example("(" * 20_000 + "|", "stop")
@settings(max_examples=500)
def test_no_reply_raises_and_a_point_always_has_a_row(reply: str, finish_reason: str) -> None:
    parsed = parse_reply(reply, RUBRIC, finish_reason)
    assert (parsed.status == "ok") == (set(parsed.points) == set(RUBRIC.criteria))
    assert all(0 <= point <= 1 for point in parsed.points.values())
    assert bool(parsed.reason) == (parsed.status != "ok")
