"""Line charts as numbers for an SVG template: one panel per split or per split and run, intervals as bars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skillmix_lightning.report.results import Results
from skillmix_lightning.report.tables import all_cells
from skillmix_lightning.scoring import Score

WIDTH, HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 12, 30
#: Distinct to colour-blind readers too (Okabe and Ito), darkest first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8a8a8a")
_MOST_TICKS = 8


@dataclass(frozen=True)
class Point:
    """A mean with its interval, in pixels, and what a pointer that rests on it reads."""

    x: float
    y: float
    low: float
    high: float
    says: str


@dataclass(frozen=True)
class Line:
    """A line of a panel."""

    name: str
    colour: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    across: str
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


def over_k(results: Sequence[Results], metric: str) -> list[Panel]:
    """A panel per split: the metric over k, a line per run; of a fit's evaluations the first and the last."""
    shown = [each for each in results if each.step is None or each.step in _ends(results, each.label)]
    panels = []
    for split in dict.fromkeys(split for split, _ in all_cells(results)):
        rows = [(each.name, [(row.k, row) for row in each.scores if row.split == split]) for each in shown]
        panels.append(_panel(split, "k", rows, metric))
    return [panel for panel in panels if panel.lines]


def over_steps(results: Sequence[Results], metric: str) -> list[Panel]:
    """A panel per fit and split: the metric over optimizer steps, a line per k."""
    panels = []
    for label in dict.fromkeys(each.label for each in results if each.step is not None):
        series = [each for each in results if each.label == label]
        for split in dict.fromkeys(split for split, _ in all_cells(series)):
            rows = [
                (f"k={k}", [(each.step or 0, row) for each in series for row in each.scores if _is(row, split, k)])
                for k in sorted({k for at, k in all_cells(series) if at == split})
            ]
            panels.append(_panel(f"{label}: {split}", "step", rows, metric))
    return [panel for panel in panels if panel.lines]


def _is(row: Score, split: str, k: int) -> bool:
    return (row.split, row.k) == (split, k)


def _ends(results: Sequence[Results], label: str) -> set[int]:
    steps = [each.step for each in results if each.label == label and each.step is not None]
    return {min(steps), max(steps)}


def _panel(title: str, across: str, rows: Iterable[tuple[str, list[tuple[int, Score]]]], metric: str) -> Panel:
    named = [(name, [(at, row) for at, row in line if row.ci95[metric] is not None]) for name, line in rows]
    named = [(name, line) for name, line in named if line]
    places = sorted({at for _, line in named for at, _ in line})
    low, span = (places[0], places[-1] - places[0]) if places else (0, 0)
    inner = WIDTH - _LEFT - _RIGHT - 20

    def across_at(at: int, nudge: float = 0.0) -> float:
        share = (at - low) / span if span else 0.5
        return round(_LEFT + 10 + share * inner + nudge, 1)

    lines = []
    for number, (name, line) in enumerate(named):
        # Bars of several lines at one place stand beside one another.
        nudge = (number - (len(named) - 1) / 2) * min(4, 24 / len(named))
        points = tuple(_point(across_at(at, nudge), f"{name}, {across} {at}", row, metric) for at, row in line)
        lines.append(Line(name, COLOURS[number % len(COLOURS)], points))
    every = -(-len(places) // _MOST_TICKS)
    ticks = tuple((across_at(at), f"{at:,}") for at in places[:: max(every, 1)])
    return Panel(title, across, ticks, tuple(lines))


def _point(x: float, name: str, row: Score, metric: str) -> Point:
    mean, ends = getattr(row, metric), row.ci95[metric]
    assert ends is not None
    low, high = ends
    return Point(x, height_of(mean), height_of(low), height_of(high), f"{name}: {mean:.2f} ({low:.2f}–{high:.2f})")


def height_of(share: float) -> float:
    """Where a share from 0 to 1 lies, in pixels from the top."""
    return round(_TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM), 1)
