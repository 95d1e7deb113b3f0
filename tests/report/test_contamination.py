import io

from rich.console import Console

from skillmix_lightning.catalogue import ContaminationRow
from skillmix_lightning.report.contamination import contamination_table

ROWS = [
    ContaminationRow("held_out", 1, 100, 0, 37, (0.37,), 1.0),
    ContaminationRow("held_out", 3, 100, 0, 2, (1.0, 0.995, 0.004), 0.0),
]


def lines(rows: list[ContaminationRow]) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(contamination_table(rows))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_counts_and_shares_stand_in_a_row_for_each_split_and_k() -> None:
    shown = [" ".join(line.split()) for line in lines(ROWS)]
    assert shown[0] == "Evaluated combinations seen in training"
    assert shown[2] == "split k exact set skill pair triple topic"
    assert shown[4] == "held_out 1 0/100 37/100 37% 100%"


def test_none_and_all_are_said_only_where_it_is_exactly_so() -> None:
    assert " ".join(lines(ROWS)[5].split()) == "held_out 3 0/100 2/100 100% >99% <1% 0%"


def test_a_table_of_the_largest_k_fits_in_80_columns_without_cutting_a_figure() -> None:
    shown = lines([*ROWS, ContaminationRow("held_out", 8, 100, 100, 100, (0.995,) * 8, 0.995)])
    assert max(map(len, shown)) <= 80
    assert sum("…" in line for line in shown) == 1  # in the caption
    assert " ".join(shown[2].split()) == "split k exact set skill pair triple 4s 5s 6s 7s 8s topic"
    assert "held_out 8 100/100 100/100" + " >99%" * 9 in [" ".join(line.split()) for line in shown]
