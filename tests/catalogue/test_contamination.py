import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from skillmix_lightning.catalogue import Combination, ContaminationRow, contamination

SKILLS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)
TOPICS = st.sampled_from("xyz")


def asked(skills: str, topic: str = "x", split: str = "held_out") -> Combination:
    return Combination(f"{skills} {topic}", split, tuple(skills), topic)  # type: ignore[arg-type]


def test_combinations_pairs_triples_and_topics_are_counted() -> None:
    evaluated = [asked("abc"), asked("abd"), asked("def", "y"), asked("cba", "z")]
    trained = [("ba", "x"), ("bca", "z"), ("d", "x"), ("cd", "w")]
    assert contamination(evaluated, trained) == [
        ContaminationRow(
            split="held_out",
            k=3,
            combinations=4,
            exact=1,  # abc on z
            same_skills=2,  # abc, twice
            seen_together=((3 + 3 + 1 + 3) / 12, (3 + 1 + 0 + 3) / 12, 2 / 4),
            topics_seen=3 / 4,
        )
    ]


def test_each_split_and_k_has_a_row_in_the_order_of_the_evaluation() -> None:
    evaluated = [asked("ab"), asked("a"), asked("a", split="train"), asked("bc")]
    rows = contamination(evaluated, [("b", "x")])
    assert [(row.split, row.k, row.combinations, row.seen_together) for row in rows] == [
        ("held_out", 2, 2, (0.5, 0.0)),
        ("held_out", 1, 1, (0.0,)),
        ("train", 1, 1, (0.0,)),
    ]


def test_longer_training_texts_count_for_shorter_combinations() -> None:
    (row,) = contamination([asked("ab", "y")], [("abcdefgh", "x")])
    assert (row.exact, row.same_skills, row.seen_together, row.topics_seen) == (0, 0, (1.0, 1.0), 0.0)


def test_nothing_evaluated_has_no_rows_and_nothing_trained_has_seen_nothing() -> None:
    assert contamination([], [("a", "x")]) == []
    (row,) = contamination([asked("ab")], [])
    assert (row.exact, row.same_skills, row.seen_together, row.topics_seen) == (0, 0, (0.0, 0.0), 0.0)


@given(
    evaluated=st.lists(st.tuples(SKILLS, TOPICS), min_size=1),
    trained=st.lists(st.tuples(SKILLS, TOPICS)),
    order=st.randoms(),
)
def test_the_order_of_skills_and_of_texts_does_not_matter(
    evaluated: list[tuple[list[str], str]], trained: list[tuple[list[str], str]], order: object
) -> None:
    def rows(asked_for: Sequence[tuple[list[str], str]], seen: Sequence[tuple[list[str], str]]) -> dict:
        found = contamination([asked("".join(skills), topic) for skills, topic in asked_for], seen)
        return {row.k: row for row in found}

    def turned(items: list[tuple[list[str], str]]) -> list[tuple[list[str], str]]:
        items = [(skills[::-1], topic) for skills, topic in items]
        order.shuffle(items)  # type: ignore[attr-defined]
        return items

    assert rows(turned(evaluated), turned(trained)) == rows(evaluated, trained)
    for row in rows(evaluated, evaluated).values():
        assert (row.exact, row.same_skills, row.topics_seen) == (row.combinations, row.combinations, 1)
        assert set(row.seen_together) == {1}


def test_a_data_set_of_the_paper_s_size_takes_less_than_a_few_seconds() -> None:
    names = [f"skill {n}" for n in range(53)]
    trained = [([names[(n * step + n // 53) % 53] for step in (1, 2, 3, 5)], f"topic {n % 50}") for n in range(14_000)]
    evaluated = [
        Combination(str((k, n)), "train", tuple(names[(n * 7 + 3 * i) % 53] for i in range(k)), f"topic {n % 50}")
        for k in range(1, 9)
        for n in range(100)
    ]
    began = time.process_time()
    assert len(contamination(evaluated, trained)) == 8
    assert time.process_time() - began < 5  # 0.1 s on two slow cores
