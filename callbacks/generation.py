"""Has the model of a running fit write, on all of its ranks, and leaves the fit as it was."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

import torch
from lightning.pytorch import Trainer

from skillmix_lightning.callbacks.determinism import undisturbed
from skillmix_lightning.callbacks.gathering import Gather, in_step, is_sharded, should_gather, whole_weights
from skillmix_lightning.callbacks.ranks import Ranks
from skillmix_lightning.students.base import Composition, Request
from skillmix_lightning.students.transformers import TransformersStudent
from skillmix_lightning.training import SkillMixModule


@dataclass(frozen=True)
class Written:
    """What all ranks wrote.

    Attributes:
        compositions: the texts, in the order of their requests.
        failures: rank to what its generation raised, in one line; the requests that it left have no text.
        seconds: how long it took.
    """

    compositions: list[Composition]
    failures: dict[int, str]
    seconds: float


@dataclass(frozen=True)
class Generation:
    """How texts are written within a fit.

    Attributes:
        temperature: of the sampling; 0 decodes greedily.
        max_new_tokens: per turn.
        batch_size: texts at a time, on each rank.
        seed: of the sampling.
        gather: whether sharded weights are gathered whole meanwhile.
    """

    temperature: float = 0.0
    max_new_tokens: int = 256
    batch_size: int = 48
    seed: int = 0
    gather: Gather = "auto"

    def write(
        self,
        trainer: Trainer,
        module: SkillMixModule,
        requests: Sequence[Request],
        ranks: Ranks,
        advance: Callable[[int], object] = lambda count: None,
    ) -> Written:
        """Has every rank write its share; every rank must call it, and gets everything.

        A rank whose generation raises an Exception ends its share there; the others write theirs to the end.

        Args:
            trainer: of the fit.
            module: of the fit.
            requests: what is asked, the same on every rank.
            ranks: of the fit.
            advance: called with how many more texts this rank has written.
        """
        began = time.perf_counter()
        mine = share(requests, ranks.rank, ranks.size)
        compositions: list[Composition] = []
        failure = ""
        with ExitStack() as stack:
            stack.enter_context(undisturbed(module))
            stack.enter_context(trainer.precision_plugin.forward_context())
            # What has been compiled for training's shapes would be compiled again for every length of a text.
            stack.enter_context(torch.compiler.set_stance("force_eager") if module.compile_blocks else nullcontext())
            student = self._student(module)
            accompany = stack.enter_context(self._weights(trainer, module, student, requests, ranks))
            try:
                for composition in student.write(mine):
                    compositions.append(composition)
                    advance(1)
            except Exception as error:  # the other ranks wait for this one: it must go on to where they meet
                failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            accompany()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what generation had of every size would leave training's next peak without room
        failed = ranks.where(bool(failure))
        parts = ranks.gathered((compositions, failure))
        order = {(r.combination.id, r.generation): place for place, r in enumerate(requests)}
        everything = [composition for written, _ in parts for composition in written]
        everything.sort(key=lambda c: order[c.combination.id, c.generation])
        return Written(everything, {rank: parts[rank][1] for rank in failed}, time.perf_counter() - began)

    def _weights(
        self,
        trainer: Trainer,
        module: SkillMixModule,
        student: TransformersStudent,
        requests: Sequence[Request],
        ranks: Ranks,
    ) -> AbstractContextManager[Callable[[], None]]:
        """The context in which the model can be called; yields what a rank calls when it is done."""
        model = module.model
        assert model is not None, "configure_model has loaded it"
        if not is_sharded(model):
            return nullcontext(_nobody_waits)
        _, longest = student.longest(requests)
        cached = self.batch_size * longest
        if should_gather(model, self.gather, ranks, trainer.num_devices, module.compute_dtype, cached):
            return whole_weights(model, module.reshard_after_forward)
        return in_step(model, module.reshard_after_forward, ranks)

    def _student(self, module: SkillMixModule) -> TransformersStudent:
        assert module.model is not None, "configure_model has loaded it"
        assert module.tokenizer is not None, "configure_model has loaded it"
        return TransformersStudent(
            module.model,
            module.tokenizer,
            self.temperature,
            self.max_new_tokens,
            self.batch_size,
            seed=self.seed,
            autocast=False,
            name=module.model_name,
        )


def share(requests: Sequence[Request], rank: int, ranks: int) -> list[Request]:
    """A rank's requests: dealt out by length, back and forth, so that each rank gets as many and as long ones.

    Args:
        requests: all of them.
        rank: whose.
        ranks: how many there are.
    """
    longest_first = sorted(requests, key=lambda request: sum(map(len, request.turns)), reverse=True)
    mine = []
    for start in range(0, len(longest_first), ranks):
        dealt = longest_first[start : start + ranks]
        place = rank if start // ranks % 2 == 0 else ranks - 1 - rank
        mine += dealt[place : place + 1]
    return mine


def _nobody_waits() -> None:
    pass
