"""What one sees of an evaluation in a fit: TensorBoard, at the step that wrote the texts, and a table."""

from collections.abc import Mapping, Sequence

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from skillmix_lightning.callbacks.results import EvaluationResult, tag
from skillmix_lightning.report.figures import can_draw, learning_curves, skill_bars
from skillmix_lightning.report.skills import SkillPoints, Verdicts, skill_points, verdicts
from skillmix_lightning.report.terminal import evaluation_table
from skillmix_lightning.scoring import METRICS, CombinationScore, Score
from skillmix_lightning.scoring.comparison import Comparison, compare
from skillmix_lightning.students.base import Composition

_NO_MATPLOTLIB = "no figures in TensorBoard: matplotlib is not installed (pip install 'skillmix-lightning[figures]')"
_MARKUP = {ord(character): f"&#{ord(character)};" for character in "\\`*_{}[]()#+-=|~<>&"}


class Showing:
    """Shows evaluations, each at its own step, however much later its grades came.

    TensorBoard gets, at that step,

    - `skillmix/<split>/k<k>/<metric>`, with the bounds of its 95% interval in `<metric>_low` and `<metric>_high` (the
      "Custom Scalars" page draws the three as a line with a band), and `skillmix/<split>/k<k>/unscored`;
    - `skillmix/seconds_generating`, and `skillmix/grading_usd`, what its grading has cost;
    - `skillmix/<split>/k<k>/texts`: the same few combinations each time, with their points;
    - `skillmix/learning_curves` and `skillmix/<split>/skills`: figures, where matplotlib is installed.

    Other loggers get the numbers.

    Args:
        console: where the table goes.
        shown_texts: combinations per split and k whose texts are shown.
    """

    def __init__(self, console: Console, shown_texts: int = 2) -> None:
        self.console = console
        self.shown_texts = shown_texts
        self._first_skills: list[SkillPoints] | None = None
        self._laid_out = False
        self._said_no_figures = False

    def show(
        self,
        trainer: Trainer,
        result: EvaluationResult,
        history: Mapping[int, Sequence[Score]],
        rows: Mapping[int, Sequence[CombinationScore]],
    ) -> None:
        """Logs and prints one evaluation; to be called on rank 0 only, in the order of steps.

        Args:
            trainer: whose loggers are written to.
            result: the evaluation.
            history: step to scores, of this and all earlier evaluations.
            rows: step to the scores of single combinations, as far as they are known; changes are paired by them.
        """
        for logger in trainer.loggers:
            logger.log_metrics(scalars(result), step=result.step)
        voted = verdicts(result.compositions, result.grades)
        skills = skill_points(result.compositions, voted)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                self._lay_out(logger, result.scores)
                self._show_texts(logger, result, voted, rows)
                self._draw(logger, result, history, skills)
        if self._first_skills is None:
            self._first_skills = skills
        changed = changes(result.step, rows)
        title, usd = f"SKILL-MIX at step {result.step}", (result.usd, result.fit_usd)
        self.console.print(evaluation_table(result.scores, title, changed, usd))
        self.console.print(_note(result), highlight=False, markup=False)

    def _lay_out(self, logger: TensorBoardLogger, scores: Sequence[Score]) -> None:
        """Describes the charts with bands; TensorBoard reads one description per event file."""
        if self._laid_out:
            return
        self._laid_out = True
        charts: dict[str, dict[str, list[object]]] = {}
        for row in scores:
            for metric in METRICS:
                mean = _tag(row, metric)
                bands = charts.setdefault(f"SKILL-MIX {row.split}", {})
                bands[f"k{row.k} {metric}"] = ["Margin", [mean, f"{mean}_low", f"{mean}_high"]]
        logger.experiment.add_custom_scalars(charts)

    def _show_texts(
        self,
        logger: TensorBoardLogger,
        result: EvaluationResult,
        voted: Verdicts,
        rows: Mapping[int, Sequence[CombinationScore]],
    ) -> None:
        for (split, k), ids in self._shown(result, rows).items():
            panels = [_panel([c for c in result.compositions if c.combination.id == each], voted) for each in ids]
            logger.experiment.add_text(tag(split, k, "texts"), "\n\n---\n\n".join(panels), result.step)

    def _shown(
        self, result: EvaluationResult, rows: Mapping[int, Sequence[CombinationScore]]
    ) -> dict[tuple[str, int], list[str]]:
        """The first ids, which are hashes, of each split and k: the same at all steps, also in a resumed fit."""
        known = {(row.split, row.k, row.combination_id) for of_step in rows.values() for row in of_step}
        known |= {(c.combination.split, c.combination.k, c.combination.id) for c in result.compositions}
        cells: dict[tuple[str, int], list[str]] = {}
        for split, k, combination_id in sorted(known):
            cells.setdefault((split, k), []).append(combination_id)
        return {cell: ids[: self.shown_texts] for cell, ids in cells.items() if self.shown_texts}

    def _draw(
        self,
        logger: TensorBoardLogger,
        result: EvaluationResult,
        history: Mapping[int, Sequence[Score]],
        skills: Sequence[SkillPoints],
    ) -> None:
        if not can_draw():
            if not self._said_no_figures:
                self.console.print(_NO_MATPLOTLIB, markup=False)
            self._said_no_figures = True
            return
        so_far = {step: scores for step, scores in history.items() if step < result.step}
        so_far[result.step] = result.scores
        images = {}
        if any(so_far.values()):
            images["skillmix/learning_curves"] = learning_curves(so_far)
        for split in dict.fromkeys(each.split for each in skills):
            now, before = ([e for e in points if e.split == split] for points in (skills, self._first_skills or []))
            images[f"skillmix/{split}/skills"] = skill_bars(now, before, f"{split} skills at step {result.step}")
        for name, image in images.items():
            logger.experiment.add_image(name, image, result.step, dataformats="HWC")


def scalars(result: EvaluationResult) -> dict[str, float]:
    """Tag to value; what is unscored has no value, and is counted."""
    values: dict[str, float] = {}
    for row in result.scores:
        for metric in METRICS:
            mean, interval = getattr(row, metric), row.ci95[metric]
            if mean is not None:
                values[_tag(row, metric)] = mean
            if interval is not None:
                values[f"{_tag(row, metric)}_low"], values[f"{_tag(row, metric)}_high"] = interval
        values[_tag(row, "unscored")] = row.unscored
    values["skillmix/seconds_generating"] = result.seconds_generating
    values["skillmix/grading_usd"] = result.usd
    return values


def changes(step: int, rows: Mapping[int, Sequence[CombinationScore]]) -> dict[int, list[Comparison]]:
    """Paired changes since the first evaluation and since the last one before this step, by their steps.

    Args:
        step: of this evaluation.
        rows: step to the scores of single combinations. Steps whose combinations are others are passed over.
    """
    now = rows.get(step, ())
    ids = {row.combination_id for row in now}
    earlier = sorted(s for s in rows if s < step and ids & {row.combination_id for row in rows[s]})
    return {since: compare(rows[since], now) for since in (*earlier[:1], *earlier[-1:])}


def _tag(row: Score, name: str) -> str:
    return tag(row.split, row.k, name)


def _note(result: EvaluationResult) -> str:
    """What the evaluation took, and what it could not do."""
    parts = [f"{len(result.compositions):,} texts in {result.seconds_generating:,.0f} s"]
    unscored = sum(grade.status != "ok" for grade in result.grades)
    parts.append(f"{len(result.grades):,} grades")
    if unscored:
        parts.append(f"{unscored:,} of them without points")
    if result.failed_ranks:
        parts.append(f"ranks without texts: {', '.join(map(str, result.failed_ranks))}")
    if result.trouble:
        parts.append(result.trouble)
    return "; ".join(parts)


def _panel(texts: Sequence[Composition], voted: Verdicts) -> str:
    """A combination's texts in Markdown, each with its points."""
    if not texts:
        return "(not written at this step)"
    combination = texts[0].combination
    lines = [f"**{_plain(', '.join(combination.skills))}** on *{_plain(combination.topic)}*"]
    for text in sorted(texts, key=lambda each: each.generation):
        quoted = "\n".join(f"> {_plain(line)}" for line in (text.text.strip() or "(empty)").splitlines())
        lines.append(quoted)
        verdict = voted.get((combination.id, text.generation))
        points = {name.removeprefix("skill:"): point for name, point in (verdict or {}).items()}
        lines.append(" · ".join(f"{'✓' if p else '✗'} {_plain(name)}" for name, p in points.items()) or "unscored")
    return "\n\n".join(lines)


def _plain(text: str) -> str:
    """The text with everything that Markdown or HTML would take for its own as entities."""
    return text.strip().translate(_MARKUP)
