"""A grader behind an OpenAI-compatible server: GPT-4, Claude, vLLM, llama.cpp, `transformers serve`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import zip_longest
from typing import Any

from skillmix_lightning.catalogue import Catalogue, load_catalogue
from skillmix_lightning.endpoint import ChatClient, Reply, Unavailable, in_order_of_completion
from skillmix_lightning.endpoint.batches import BatchRequest, BatchUser
from skillmix_lightning.endpoint.user import MaxTokensParameter
from skillmix_lightning.errors import InputError, raise_all
from skillmix_lightning.graders.base import Grade
from skillmix_lightning.graders.checks import check_text
from skillmix_lightning.graders.parse import parse_reply
from skillmix_lightning.graders.rubric import LENGTH, Rubric, response_schema
from skillmix_lightning.prompts import load_prompts
from skillmix_lightning.students.base import Composition, Message

_ROUNDS = 1000  # a grading that is asked for again is a sample of its own, numbered beyond all rounds


class EndpointGrader(BatchUser):
    """Has a served model grade the texts, several at once.

    The model's points count for every criterion but "length", which code counts; what the model says of the length, and
    its own total, are kept as its opinion. An empty text gets zeros without being sent. A reply that cannot be read, or
    was cut, is asked for again; if none can be read the grade says why and holds no points.

    Args:
        model: the name the server knows the model by.
        prompts: a prompt set with a grading turn: a built-in one's name, or a path.
        catalogue: where the skills are defined: a built-in catalogue's name, a path, or the catalogue itself.
        base_url: of the server, usually ending in /v1.
        api_key_env: the NAME of the environment variable with the key; keys are in no config and no run folder.
        temperature: of sampling.
        max_tokens: for each reply.
        concurrency: how many requests may be under way at once; None to find what the server accepts.
        attempts: how often one grade is asked for at most; every reply's tokens are counted.
        name: of the grader in a run; the model's if none is given.
        requests_per_minute: a ceiling; None for none.
        tokens_per_minute: a ceiling of prompt and completion tokens together; None for none.
        timeout_s: for one request.
        max_tokens_parameter: how requests name the limit of a reply; OpenAI's reasoning models know only
            max_completion_tokens.
        n: how many gradings of a text are asked for in one request, which pays for its prompt once. Where the server
            sends fewer the others are asked for one by one.
        seed: for servers that can sample repeatably; every grading round adds its number. None sends none.
        batch: whether gradings go through the Batch API, at its price; a run has to say where batches are recorded.
            What has to be asked for again goes into a further batch.
        batch_poll_seconds: between two looks at the batches under way.

    Raises:
        InputError: the address, the key or a limit cannot work, or the prompt set is not for grading.
    """

    def __init__(
        self,
        model: str,
        prompts: str = "paper-v1",
        catalogue: str | Catalogue = "language",
        base_url: str = "https://api.openai.com/v1",
        api_key_env: str = "OPENAI_API_KEY",
        temperature: float = 0.0,
        max_tokens: int = 1024,
        concurrency: int | None = None,
        attempts: int = 3,
        name: str | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 300.0,
        max_tokens_parameter: MaxTokensParameter = "max_tokens",
        n: int = 1,
        seed: int | None = None,
        batch: bool = False,
        batch_poll_seconds: float = 30.0,
    ) -> None:
        super().__init__(
            model,
            base_url,
            api_key_env,
            concurrency,
            requests_per_minute,
            tokens_per_minute,
            timeout_s,
            batch,
            batch_poll_seconds,
        )
        numbers = {"attempts": attempts, "n": n}
        problems = [f"{name} is {number}; it has to be at least 1" for name, number in numbers.items() if number < 1]
        if batch and n > 1:
            problems.append(f"n is {n}, and a batch asks for one grading at a time; leave n out")
        raise_all("the grader", problems)
        self.name = name or model
        self.n = n
        self.seed = seed
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.max_tokens_parameter = max_tokens_parameter
        self.attempts = attempts
        self.prompts = load_prompts(prompts)
        if self.prompts.grading_format == "prose":
            raise InputError(
                f"the prompt set {self.prompts.id} asks for a grading in prose, which cannot be read reliably; "
                "give the grader one that asks for a table"
            )
        self.catalogue = load_catalogue(catalogue) if isinstance(catalogue, str) else catalogue

    @property
    def sampling(self) -> dict[str, Any]:
        """The fields of every request that say how a reply is sampled."""
        return {"temperature": self.temperature, self.max_tokens_parameter: self.max_tokens}

    def grade(self, compositions: Sequence[Composition], gradings: int = 1) -> Iterator[Grade]:
        """Grades every composition `gradings` times; grades come as they are finished.

        A server that stays unavailable makes a grade with status "error"; one that refuses the key or the request ends
        the grading. In batches it is the other way round: a single request that gets no answer makes such a grade, and
        a server that is unavailable ends the grading, to be gone on with.

        Raises:
            InputError: a composition has a skill that the catalogue does not have (all are listed), or the server
                refuses the key, the model or the request.
            Stopped: the budget is reached, or as said above.
        """
        return self.grade_rounds(
            [(composition, grading) for composition in compositions for grading in range(gradings)]
        )

    def grade_rounds(self, rounds: Sequence[tuple[Composition, int]]) -> Iterator[Grade]:
        """Grades each composition in the round given with it, so that a resumed run asks for what is missing only.

        Raises:
            InputError: as `grade` does.
        """
        known = {skill.name for skill in self.catalogue.skills}
        unknown = {skill for composition, _ in rounds for skill in composition.combination.skills} - known
        raise_all("the grader's catalogue", [f'it has no skill "{skill}"' for skill in sorted(unknown)])
        if self.batch:
            return self._grades_in_batches(rounds)
        return self._grades(_grouped(rounds, self.n))

    def _grades(self, groups: Iterable[list[tuple[Composition, int]]]) -> Iterator[Grade]:
        with closing(in_order_of_completion(self.client(), groups, self._graded_together)) as graded:
            for grades in graded:
                yield from grades

    async def _graded_together(self, client: ChatClient, group: list[tuple[Composition, int]]) -> list[Grade]:
        """The grades of one text in rounds that follow on each other."""
        (composition, first), *others = group
        replies: list[Reply] = []
        if others and composition.text.strip():
            with suppress(Unavailable):  # each then says so for itself
                replies = await client.complete_n(n=len(group), round=first, **self._request(composition, first))
        return [
            await self._graded(client, composition, grading, reply)
            for (_, grading), reply in zip_longest(group, replies)
        ]

    async def _graded(
        self, client: ChatClient, composition: Composition, grading: int, reply: Reply | None = None
    ) -> Grade:
        """The grade of one round, from the reply if there is one that can be read, else from one that is asked for."""
        if not composition.text.strip():
            return self._empty(composition, grading)
        replies = [] if reply is None else [reply]
        grade = self._read(composition, grading, replies)
        while grade is None:
            round = _round(grading, len(replies))
            try:
                replies.append(await client.complete(round=round, **self._request(composition, round)))
            except Unavailable as error:
                return self._unreached(composition, grading, replies, str(error))
            grade = self._read(composition, grading, replies)
        return grade

    def _grades_in_batches(self, rounds: Sequence[tuple[Composition, int]]) -> Iterator[Grade]:
        waiting: dict[str, tuple[Composition, int, list[Reply]]] = {}
        for composition, grading in rounds:
            if composition.text.strip():
                key = f"{composition.combination.id} {composition.generation} {grading}"
                waiting[key] = (composition, grading, [])
            else:
                yield self._empty(composition, grading)
        while waiting:
            asked, waiting = waiting, {}
            batch = [self._batch_request(key, *each) for key, each in asked.items()]
            for result in self.ask_in_batches(batch, rounds):
                composition, grading, replies = asked[result.key]
                if result.reply is None:
                    yield self._unreached(composition, grading, replies, result.failure, result.cost_usd)
                    continue
                replies.append(result.reply)
                if grade := self._read(composition, grading, replies):
                    yield grade
                else:
                    waiting[result.key] = (composition, grading, replies)

    def _batch_request(
        self, key: str, composition: Composition, grading: int, replies: Sequence[Reply]
    ) -> BatchRequest:
        round = _round(grading, len(replies))
        fields = self._request(composition, round)
        messages, model, prompt_id = (fields.pop(name) for name in ("messages", "model", "prompt_id"))
        return BatchRequest(key, messages, model, fields, prompt_id, round)

    def _read(self, composition: Composition, grading: int, replies: Sequence[Reply]) -> Grade | None:
        """The grade that the last reply makes, None if another is to be asked for."""
        if not replies:
            return None
        combination, last = composition.combination, replies[-1]
        rubric = Rubric.of(combination, self.prompts.wording)
        parsed = parse_reply(last.text, rubric, last.finish_reason, composition.text)
        if parsed.status in ("unparsed", "truncated") and len(replies) < self.attempts:
            return None
        make = partial(Grade, combination.id, composition.generation, grading, self.name)
        cost_usd = sum(reply.cost_usd for reply in replies)
        if parsed.status != "ok":
            return make(parsed.status, {}, last.text, _usage(replies), cost_usd, parsed.reason)
        points = {**parsed.points, LENGTH: check_text(composition.text, combination).length}
        opinion = {LENGTH: parsed.points[LENGTH]} | ({} if parsed.total is None else {"total": parsed.total})
        return make("ok", points, last.text, _usage(replies), cost_usd, opinion=opinion)

    def _empty(self, composition: Composition, grading: int) -> Grade:
        points: dict[str, float] = dict.fromkeys(Rubric.of(composition.combination, self.prompts.wording).criteria, 0)
        key = (composition.combination.id, composition.generation, grading)
        return Grade(*key, self.name, "ok", points, "empty text", _usage([]))

    def _unreached(
        self, composition: Composition, grading: int, replies: Sequence[Reply], reason: str, cost_usd: float = 0.0
    ) -> Grade:
        return Grade(
            composition.combination.id,
            composition.generation,
            grading,
            self.name,
            "error",
            {},
            replies[-1].text if replies else "",
            _usage(replies),
            cost_usd + sum(reply.cost_usd for reply in replies),
            reason,
        )

    def _request(self, composition: Composition, round: int) -> dict[str, Any]:
        combination = composition.combination
        rubric = Rubric.of(combination, self.prompts.wording)
        # Another for every call, and drawn from the text, which cannot hold its own hash: from a random source it would
        # keep every reply out of the cache's reach.
        drawn = f"{combination.id} {composition.generation} {round} {composition.text}"
        nonce = hashlib.sha256(drawn.encode(errors="surrogatepass")).hexdigest()[:16]
        turn = self.prompts.grading_turn(self.catalogue, combination, composition.text, rubric.labels, nonce)
        message: Message = {"role": "user", "content": turn}
        options = self.sampling
        if self.seed is not None:
            options["seed"] = self.seed + round
        if self.prompts.grading_format == "json":
            schema = {"name": "verdict", "strict": True, "schema": response_schema(rubric)}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {"messages": [message], "model": self.model, "prompt_id": self.prompts.id, **options}


def _round(grading: int, attempt: int) -> int:
    return grading + attempt * _ROUNDS


def _grouped(rounds: Sequence[tuple[Composition, int]], n: int) -> Iterator[list[tuple[Composition, int]]]:
    """Up to n rounds of one text that follow on each other, together."""
    group: list[tuple[Composition, int]] = []
    for composition, grading in rounds:
        if group and (len(group) == n or composition is not group[-1][0] or grading != group[-1][1] + 1):
            yield group
            group = []
        group.append((composition, grading))
    if group:
        yield group


def _usage(replies: Sequence[Reply]) -> dict[str, Any]:
    counted: dict[str, Any] = {
        name: sum(reply.usage.get(name, 0) for reply in replies) for name in ("prompt_tokens", "completion_tokens")
    }
    return {**counted, "attempts": len(replies)} | ({"model": replies[-1].model} if replies else {})
