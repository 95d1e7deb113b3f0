"""The student with local weights: batched generation with a Hugging Face causal language model."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import fastest_precision, load_causal_lm, load_tokenizer, opening
from skillmix_lightning.prompts import extract_answer
from skillmix_lightning.students.base import Composition, FinishReason, Message, Request


class TransformersStudent:
    """Writes with a causal LM.

    Requests are sorted by prompt length and written in batches, padded on the left. What a text is depends on the
    seed, the request and, when sampling, its batch; with temperature 0 only on the request.

    Args:
        model: a model name (`embedded:…`, a folder, a hub name), or a model that is there already.
        tokenizer: its tokenizer; by default the one of the model's name.
        temperature: 0 decodes greedily. The papers' students sample at 0.7 (arXiv 2310.17567).
        max_new_tokens: per turn.
        batch_size: texts at a time.
        seed: of the sampling.
        autocast: compute in bf16 where the hardware does; off within a fit, whose own precision holds.
        name: what records call the student; by default the model's name.

    Raises:
        InputError: the model cannot be loaded, or its tokenizer has no chat template.
    """

    def __init__(
        self,
        model: str | PreTrainedModel = "embedded:smollm2-135m-instruct",
        tokenizer: PreTrainedTokenizerBase | None = None,
        temperature: float = 0.7,
        max_new_tokens: int = 512,
        batch_size: int = 16,
        seed: int = 0,
        autocast: bool = True,
        name: str | None = None,
    ) -> None:
        if tokenizer is None:
            assert isinstance(model, str), "a model object needs its tokenizer"
            tokenizer = load_tokenizer(model)
        self.name = name or (model if isinstance(model, str) else type(model).__name__)
        self.model = load_causal_lm(model) if isinstance(model, str) else model
        self.tokenizer = tokenizer
        if not tokenizer.chat_template:
            raise InputError(f"{self.name}: the tokenizer has no chat template; give an instruction-tuned model")
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.seed = seed
        self.autocast = autocast

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request; yields batch by batch, shortest prompts first."""
        order = sorted(range(len(requests)), key=lambda i: sum(map(len, requests[i].turns)))
        for start in range(0, len(order), self.batch_size):
            yield from self._write_batch([requests[i] for i in order[start : start + self.batch_size]])

    def _write_batch(self, batch: Sequence[Request]) -> Iterator[Composition]:
        turns = {len(request.turns) for request in batch}
        assert len(turns) == 1, "requests of one prompt set have the same number of turns"
        conversations: list[list[Message]] = [[] for _ in batch]
        finish: list[FinishReason] = ["stop"] * len(batch)
        used = [{"prompt_tokens": 0, "completion_tokens": 0} for _ in batch]
        for turn in range(turns.pop()):
            for conversation, request in zip(conversations, batch, strict=True):
                conversation.append({"role": "user", "content": request.turns[turn]})
            for i, (reply, reason, prompt_tokens, new_tokens) in enumerate(self._reply(conversations, turn, batch)):
                conversations[i].append({"role": "assistant", "content": reply})
                finish[i] = reason
                used[i]["prompt_tokens"] += prompt_tokens
                used[i]["completion_tokens"] += new_tokens
        for request, conversation, reason, usage in zip(batch, conversations, finish, used, strict=True):
            text = extract_answer(conversation[-1]["content"])
            yield Composition(
                request.combination, request.generation, tuple(conversation), text, reason, self.name, usage
            )

    def _reply(
        self, conversations: Sequence[Sequence[Message]], turn: int, batch: Sequence[Request]
    ) -> Iterator[tuple[str, FinishReason, int, int]]:
        """Yields (reply, finish reason, prompt tokens, new tokens) for each conversation."""
        prompts = [self._prompt(conversation) for conversation in conversations]
        # The template writes the BOS token itself where the model wants one.
        ids = [self.tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
        new_ids = self._generate(ids, seed_key=(batch[0].combination.id, batch[0].generation, turn))
        stops = self._stop_ids()
        for prompt_ids, row in zip(ids, new_ids, strict=True):
            stop = next((i for i, token in enumerate(row) if token in stops), None)
            reply = str(self.tokenizer.decode(row[:stop], skip_special_tokens=True)).strip()
            finish: FinishReason = "length" if stop is None else "stop"
            yield reply, finish, len(prompt_ids), len(row) if stop is None else stop + 1

    def _generate(self, ids: Sequence[Sequence[int]], seed_key: tuple[str, int, int]) -> list[list[int]]:
        """The new token ids of each row, up to and including padding behind a stop token."""
        model = self.model
        width = max(map(len, ids))
        stops = self._stop_ids()
        pad = next(iter(stops))
        input_ids: Tensor = torch.tensor([[pad] * (width - len(row)) + list(row) for row in ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        device = model.device
        if self.temperature > 0:
            torch.manual_seed(hash_seed(self.seed, *seed_key))
        sampling = (
            {"do_sample": True, "temperature": self.temperature, "top_k": 0, "top_p": 1.0}
            if self.temperature > 0
            else {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
        )
        in_bf16 = self.autocast and fastest_precision(device.type) == "bf16-mixed"
        # Opened once for all steps: autocast keeps the weights it has cast as long as it is open.
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16) if in_bf16 else nullcontext():
            out = cast(Any, model).generate(  # its annotation is a tensor
                input_ids=input_ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=self.max_new_tokens,
                eos_token_id=stops,
                pad_token_id=pad,
                repetition_penalty=1.0,
                # Where ranks have to go in step, who calls this sees to it: they need not have as many batches each.
                synced_gpus=False,
                **sampling,
            )
        new: list[list[int]] = out[:, width:].tolist()
        return new

    def _prompt(self, conversation: Sequence[Message]) -> str:
        """The conversation as the model reads it, up to where its answer begins."""
        messages = [{"role": str(turn["role"]), "content": turn["content"]} for turn in conversation]
        return str(
            self.tokenizer.apply_chat_template(
                [*opening(self.tokenizer), *messages], tokenize=False, add_generation_prompt=True
            )
        )

    def _stop_ids(self) -> list[int]:
        """The tokens that end a turn: the tokenizer's, and those of the model's generation config."""
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = configured if isinstance(configured, list) else [configured]
        return sorted({i for i in (*ids, self.tokenizer.eos_token_id) if i is not None})


def hash_seed(*parts: object) -> int:
    """A 63-bit seed decided by the parts, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]) >> 1
