"""A student behind an OpenAI-compatible server: GPT-4, Claude, vLLM, llama.cpp, `transformers serve`."""

from collections.abc import Iterator, Sequence
from functools import partial

from skillmix_lightning.endpoint import ChatClient, in_order_of_completion
from skillmix_lightning.prompts import extract_answer
from skillmix_lightning.students.base import Composition, FinishReason, Message, Request

_FINISH_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class EndpointStudent:
    """Has a served model write the texts, several at once.

    Args:
        model: the name the server knows the model by.
        base_url: of the server, usually ending in /v1.
        api_key_env: the NAME of the environment variable with the key; keys are in no config and no run folder.
        temperature: of sampling; 0.7 as in the paper.
        max_new_tokens: for each answer.
        concurrency: how many requests may be under way at once.

    Raises:
        InputError: the address, the key or the limit cannot work.
    """

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.openai.com/v1",
        api_key_env: str = "OPENAI_API_KEY",
        temperature: float = 0.7,
        max_new_tokens: int = 512,
        concurrency: int = 8,
    ) -> None:
        self.name = model
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self._client = partial(ChatClient, base_url, api_key_env, concurrency)
        self._client()  # a setting that cannot work is said at the start, not after the first texts

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request; compositions come as they are finished."""
        return in_order_of_completion(self._client(), requests, self._converse)

    async def _converse(self, client: ChatClient, request: Request) -> Composition:
        turns: list[Message] = []
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        for said in request.turns:
            turns.append({"role": "user", "content": said})
            reply = await client.complete(
                turns, self.name, temperature=self.temperature, max_tokens=self.max_new_tokens
            )
            turns.append({"role": "assistant", "content": reply.text})
            usage = {key: count + reply.usage.get(key, 0) for key, count in usage.items()}
        return Composition(
            combination=request.combination,
            generation=request.generation,
            turns=tuple(turns),
            text=extract_answer(reply.text),
            finish_reason=_FINISH_REASONS.get(reply.finish_reason, "error"),
            student=self.name,
            usage={**usage, "model": reply.model},
        )
