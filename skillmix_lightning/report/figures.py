"""Figures of scores as images: learning curves with intervals, and skills as bars.

They are drawn with matplotlib, which is an extra (`figures`) and is imported only when something is drawn. Nothing here
touches `pyplot`, so no figure is kept alive and no window or global style is involved.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from skillmix_lightning.catalogue import Split
from skillmix_lightning.report.skills import SkillPoints
from skillmix_lightning.scoring import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: (height, width, 3), red, green and blue from 0 to 255.
Image: TypeAlias = npt.NDArray[np.uint8]

_DRAWN_METRICS = {"full_marks": "full marks", "skill_fraction": "skill fraction"}
#: Distinguishable with any colour vision (Okabe and Ito), and dark enough for lines; k = 1 takes the first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8A7F00")
_GREY = "#8C8C8C"


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def learning_curves(history: Mapping[int, Sequence[Score]]) -> Image:
    """Full marks and skill fraction over optimizer steps: a column per split, a line per k, its 95% interval as a band.

    An evaluation without a score for a cell leaves a gap in that cell's line.

    Args:
        history: optimizer step to the scores of that evaluation; at least one score in all.
    """
    cells = {(row.split, row.k) for scores in history.values() for row in scores}
    assert cells, "a curve is drawn of at least one score"
    splits = [split for split in get_args(Split) if any(split == of_cell for of_cell, _ in cells)]
    figure, axes = _figure(4.6 * len(splits), 6.0, len(_DRAWN_METRICS), len(splits))
    for row_of_axes, (metric, title) in zip(axes, _DRAWN_METRICS.items(), strict=True):
        for axis, split in zip(row_of_axes, splits, strict=True):
            for k in sorted(k for of_cell, k in cells if of_cell == split):
                _draw_line(axis, history, split, k, metric)
            axis.set_title(f"{split}: {title}", fontsize=10)
            axis.set_ylim(-0.02, 1.02)
            axis.grid(alpha=0.25)
    for axis in axes[-1]:
        axis.set_xlabel("optimizer step")
        axis.locator_params(axis="x", nbins=6, integer=True)
    for axis in axes[0]:
        axis.legend(fontsize=8, frameon=False)
    return _pixels(figure)


def skill_bars(points: Sequence[SkillPoints], before: Sequence[SkillPoints] = (), title: str = "") -> Image:
    """A bar per skill: the share of the texts asking for it that illustrate it, best first, with their number.

    Args:
        points: of one split; at least one.
        before: of the first evaluation; its shares are marked by a line across the bar.
        title: of the figure.
    """
    assert points, "bars are drawn of at least one skill"
    earlier = {each.skill: each.share for each in before}
    shown = sorted(points, key=lambda each: (each.share, each.skill))
    figure, axes = _figure(6.4, 1.2 + 0.24 * len(shown), 1, 1)
    (axis,) = axes[0]
    places = range(len(shown))
    axis.barh(places, [each.share for each in shown], color=_COLOURS[0], height=0.7)
    marks = [(place, earlier[each.skill]) for place, each in enumerate(shown) if each.skill in earlier]
    if marks:
        axis.plot(
            [share for _, share in marks],
            [place for place, _ in marks],
            linestyle="none",
            marker="|",
            markersize=11,
            markeredgewidth=2.5,
            color=_COLOURS[1],
            label="first evaluation",
        )
        figure.legend(fontsize=8, frameon=False, loc="outside lower right")
    for place, each in enumerate(shown):
        axis.text(1.01, place, f"{each.earned}/{each.texts}", va="center", fontsize=7, color=_GREY)
    axis.set_yticks(places, [each.skill for each in shown], fontsize=7)
    axis.set_ylim(-0.6, len(shown) - 0.4)
    axis.set_xlim(0, 1)
    axis.set_xlabel("texts that illustrate the skill")
    axis.set_title(title, fontsize=10)
    return _pixels(figure)


def _draw_line(axis: "Axes", history: Mapping[int, Sequence[Score]], split: str, k: int, metric: str) -> None:
    steps = sorted(history)
    means: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for step in steps:
        row = next((row for row in history[step] if (row.split, row.k) == (split, k)), None)
        mean = None if row is None else getattr(row, metric)
        interval = None if row is None else row.ci95[metric]
        low, high = interval or (None, None)
        for values, value in ((means, mean), (lows, low), (highs, high)):
            values.append(np.nan if value is None else value)
    colour = _COLOURS[(k - 1) % len(_COLOURS)]
    axis.plot(steps, means, color=colour, marker="o", markersize=3.5, linewidth=1.5, label=f"k = {k}")
    axis.fill_between(steps, lows, highs, color=colour, alpha=0.12, linewidth=0)


def _figure(width: float, height: float, rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in axes]


def _pixels(figure: "Figure") -> Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)  # its methods are not annotated
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
