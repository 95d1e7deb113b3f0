"""Scores SKILL-MIX(k) while a model trains: at the start, every n optimizer steps, and at the end."""

from collections.abc import Sequence

from skillmix_lightning.callbacks.evaluation_hooks import EvaluationHooks
from skillmix_lightning.callbacks.gathering import Gather
from skillmix_lightning.callbacks.generation import Generation
from skillmix_lightning.callbacks.grader_services import Money
from skillmix_lightning.catalogue import Split
from skillmix_lightning.errors import raise_all
from skillmix_lightning.graders.base import Grader
from skillmix_lightning.graders.checker import CheckerGrader
from skillmix_lightning.pipeline.plan import Plan


class SkillMixEvaluation(EvaluationHooks):
    """Has the model write held-out SKILL-MIX(k) samples during a fit, grades them, and logs the scores.

    The fit stands still while the model writes, on all ranks, and goes on while the texts are graded; scores are logged
    at the step that wrote the texts, whenever they come, and the end of the fit waits for them. A grader that fails
    leaves texts unscored and never ends the fit, but one that does not answer at the start is said at once.

    The combinations are the same at every evaluation, so scores are paired over steps. None of them occurs in the
    fit's data set; which of their pairs, triples, … do is printed at the start. Each evaluation is a run of its own,
    `<log folder>/skillmix/step=<step>/`, with every text and every grade: a fit that is started again in the same
    folder, or resumed, has only graded what is missing. Training goes on bit for bit as if nothing were evaluated.

    `SkillMixCheckpoint` and `EarlyStopping` can monitor `skillmix/<split>/k<k>/<metric>`. The first ranks every
    checkpoint by the scores of its own step, when they come; the second looks at the newest that have come.

    Args:
        every_n_steps: optimizer steps between evaluations; 0 for none in between.
        at_start: evaluate before the first step.
        at_end: evaluate after the last step.
        catalogue: `language`, `verifiable`, or the path of a catalogue.
        splits: which of train, held_out, all.
        ks: how many skills a text combines.
        combinations: per split and k.
        generations: texts per combination; a combination's score is the best of them, as in the paper.
        gradings: grading rounds per text.
        seed: of the draw and of the sampling.
        prompts: a built-in prompt set, or a folder.
        allow_incompatible: also draw skills recorded as impossible in one text.
        common_skills: also draw skills marked as common; False gives the "uncommon" variant.
        grader: who grades; by default the checker grader for this catalogue.
        temperature: of the sampling; 0 decodes greedily.
        max_new_tokens: per turn.
        batch_size: texts generated at a time, on each rank.
        shown_texts: texts per split and k that go to TensorBoard.
        gather: whether sharded weights are gathered whole on every rank while it writes: `always`, `never` (slower: all
            ranks go through each forward pass together), or `auto`, where free memory allows it.
        wait_for_scores: grade before the fit goes on, so that `EarlyStopping` has the scores of the same step.
        grading_timeout_s: how long the end of the fit, or `wait_for_scores`, waits for grades.
        budget_usd: what the fit's grading may cost in dollars; None for no cap.
        budget_tokens: likewise in tokens.
        budget_usd_per_evaluation: what the grading of each single evaluation may cost in dollars, within the fit's;
            texts that it does not reach to are unscored, and the next evaluation has its own. None for no cap.
        budget_tokens_per_evaluation: likewise in tokens.
        prices: a file of prices; None for the known ones.
        cache: of paid replies: a path, "off", or None for the default place.
        allow_self_grading: whether the grader may be a server of the very model that is trained.

    Raises:
        InputError: the plan cannot be carried out, or a setting is out of range.
    """

    def __init__(
        self,
        every_n_steps: int = 0,
        at_start: bool = True,
        at_end: bool = True,
        catalogue: str = "verifiable",
        splits: Sequence[Split] = ("train", "held_out"),
        ks: Sequence[int] = (1, 2, 3, 4),
        combinations: int = 24,
        generations: int = 1,
        gradings: int = 1,
        seed: int = 0,
        prompts: str = "brief-v1",
        allow_incompatible: bool = False,
        common_skills: bool = True,
        grader: Grader | None = None,
        temperature: float = 0.0,
        max_new_tokens: int = 256,
        batch_size: int = 48,
        shown_texts: int = 2,
        gather: Gather = "auto",
        wait_for_scores: bool = False,
        grading_timeout_s: float = 3600.0,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        budget_usd_per_evaluation: float | None = None,
        budget_tokens_per_evaluation: int | None = None,
        prices: str | None = None,
        cache: str | None = None,
        allow_self_grading: bool = False,
    ) -> None:
        problems = []
        if every_n_steps < 0:
            problems.append(f"every_n_steps is {every_n_steps}, and must be at least 0")
        if grading_timeout_s < 0:
            problems.append(f"grading_timeout_s is {grading_timeout_s}, and must be at least 0")
        raise_all("--evaluation", problems)
        plan = Plan(
            catalogue=catalogue,
            splits=tuple(splits),
            ks=tuple(ks),
            combinations=combinations,
            generations=generations,
            gradings=gradings,
            seed=seed,
            prompts=prompts,
            allow_incompatible=allow_incompatible,
            common_skills=common_skills,
        )
        super().__init__(
            plan,
            CheckerGrader(plan.load_catalogue()) if grader is None else grader,
            Generation(temperature, max_new_tokens, batch_size, seed, gather),
            Money(budget_usd, budget_tokens, budget_usd_per_evaluation, budget_tokens_per_evaluation, prices, cache),
            shown_texts,
        )
        self.every_n_steps = every_n_steps
        self.at_start = at_start
        self.at_end = at_end
        self.wait_for_scores = wait_for_scores
        self.grading_timeout_s = grading_timeout_s
        self.allow_self_grading = allow_self_grading
