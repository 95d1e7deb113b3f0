"""A student behind an OpenAI-compatible server: GPT-4, Claude, vLLM, llama.cpp, `transformers serve`."""

from collections.abc import Iterator, Sequence
from typing import Any

from skillmix_lightning.endpoint import ChatClient, Reply, Unavailable, in_order_of_completion
from skillmix_lightning.endpoint.batches import BatchRequest, BatchUser
from skillmix_lightning.endpoint.user import MaxTokensParameter
from skillmix_lightning.prompts import extract_answer
from skillmix_lightning.students.base import Composition, FinishReason, Message, Request

_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class EndpointStudent(BatchUser):
    """Has a served model write the texts, several at once.

    Through the Batch API, the same turn of all texts is a batch, since the next is asked with its answers.

    Args:
        model: the name the server knows the model by.
        base_url: of the server, usually ending in /v1.
        api_key_env: the NAME of the environment variable with the key; keys are in no config and no run folder.
        temperature: of sampling; 0.7 as in the paper.
        max_new_tokens: for each answer.
        concurrency: how many requests may be under way at once; None to find what the server accepts.
        requests_per_minute: a ceiling; None for none.
        tokens_per_minute: a ceiling of prompt and completion tokens together; None for none.
        timeout_s: for one request.
        max_tokens_parameter: how requests name the limit of a reply; OpenAI's reasoning models know only
            max_completion_tokens.
        seed: for servers that can sample repeatably; every generation round adds its number. None sends none.
        batch: whether turns go through the Batch API, at its price; a run has to say where batches are recorded.
        batch_poll_seconds: between two looks at the batches under way.

    Raises:
        InputError: the address, the key or a limit cannot work.
    """

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.openai.com/v1",
        api_key_env: str = "OPENAI_API_KEY",
        temperature: float = 0.7,
        max_new_tokens: int = 512,
        concurrency: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_s: float = 300.0,
        max_tokens_parameter: MaxTokensParameter = "max_tokens",
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
        self.name = model
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self.max_tokens_parameter = max_tokens_parameter
        self.seed = seed

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request; compositions come as they are finished.

        Raises:
            InputError: the server refuses the key, the model or the request.
            Stopped: it stays unavailable, or the budget is reached; in batches also if it refuses single requests, once
                all other texts are there.
        """
        if self.batch:
            return self._write_in_batches(requests)
        return in_order_of_completion(self.client(), requests, self._converse)

    async def _converse(self, client: ChatClient, request: Request) -> Composition:
        turns: list[Message] = []
        replies: list[Reply] = []
        for said in request.turns:
            turns.append({"role": "user", "content": said})
            reply = await client.complete(turns, self.model, round=request.generation, **self._options(request))
            turns.append({"role": "assistant", "content": reply.text})
            replies.append(reply)
        return self._composition(request, turns, replies)

    def _write_in_batches(self, requests: Sequence[Request]) -> Iterator[Composition]:
        going_on: dict[str, tuple[Request, list[Message], list[Reply]]] = {
            f"{request.combination.id} {request.generation}": (request, [], []) for request in requests
        }
        failures: list[str] = []
        while going_on:
            asked, going_on = going_on, {}
            for request, turns, replies in asked.values():
                turns.append({"role": "user", "content": request.turns[len(replies)]})
            batch = [
                BatchRequest(key, turns, self.model, self._options(request), round=request.generation)
                for key, (request, turns, _) in asked.items()
            ]
            for result in self.ask_in_batches(batch, requests):
                request, turns, replies = asked[result.key]
                if result.reply is None:
                    failures.append(result.failure)
                    continue
                turns.append({"role": "assistant", "content": result.reply.text})
                replies.append(result.reply)
                if len(replies) == len(request.turns):
                    yield self._composition(request, turns, replies)
                else:
                    going_on[result.key] = (request, turns, replies)
        if failures:
            raise Unavailable(f"texts without an answer from their batches: {len(failures):,} ({failures[0]})")

    def _options(self, request: Request) -> dict[str, Any]:
        options: dict[str, Any] = {"temperature": self.temperature, self.max_tokens_parameter: self.max_new_tokens}
        if self.seed is not None:
            options["seed"] = self.seed + request.generation
        return options

    def _composition(self, request: Request, turns: Sequence[Message], replies: Sequence[Reply]) -> Composition:
        names = ("prompt_tokens", "completion_tokens")
        usage = {name: sum(reply.usage.get(name, 0) for reply in replies) for name in names}
        last = replies[-1]
        return Composition(
            combination=request.combination,
            generation=request.generation,
            turns=tuple(turns),
            text=extract_answer(last.text),
            finish_reason=_FINISH_REASONS.get(last.finish_reason, "error"),
            student=self.name,
            usage={**usage, "model": last.model, "cost_usd": sum(reply.cost_usd for reply in replies)},
        )
