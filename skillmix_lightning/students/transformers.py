"""The student with local weights: batched generation with a Hugging Face causal language model."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Literal, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.errors import InputError
from skillmix_lightning.models import fastest_precision, load_causal_lm, load_tokenizer, opening, to_accelerator
from skillmix_lightning.prompts import extract_answer
from skillmix_lightning.students.base import Composition, FinishReason, Message, Request
from skillmix_lightning.students.memory import texts_at_once
from skillmix_lightning.students.past import Past, continuation, padded, past_of
from skillmix_lightning.students.sampling import SampleRows, hash_seed

_LOG = logging.getLogger(__name__)


class TransformersStudent:
    """Writes with a causal LM.

    Requests are sorted by prompt length and written in batches, padded on the left; a turn computes only what is new
    since the last one. What a text is depends on the seed and the request, and on its batch only by rounding.

    Args:
        model: a model name (`embedded:…`, a folder, a hub name), loaded onto the CUDA device if there is one; or a
            model that is there already.
        tokenizer: its tokenizer; by default the one of the model's name.
        temperature: 0 decodes greedily. The papers' students sample at 0.7 (arXiv 2310.17567).
        max_new_tokens: per turn.
        batch_size: texts at a time; auto for as many as free memory allows, and fewer once it did not.
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
        batch_size: int | Literal["auto"] = "auto",
        seed: int = 0,
        autocast: bool = True,
        name: str | None = None,
    ) -> None:
        if tokenizer is None:
            assert isinstance(model, str), "a model object needs its tokenizer"
            tokenizer = load_tokenizer(model)
        self.name = name or (model if isinstance(model, str) else type(model).__name__)
        if batch_size != "auto" and batch_size < 1:
            raise InputError(f"{self.name}: batch_size is {batch_size}; give 1 or more, or auto")
        if not tokenizer.chat_template:
            raise InputError(f"{self.name}: the tokenizer has no chat template; give an instruction-tuned model")
        self.model = to_accelerator(load_causal_lm(model), self.name) if isinstance(model, str) else model
        self.tokenizer = tokenizer
        self.temperature = temperature
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size
        self.seed = seed
        self.autocast = autocast

    def write(self, requests: Sequence[Request]) -> Iterator[Composition]:
        """Answers every turn of every request; yields batch by batch, shortest prompts first.

        Raises:
            InputError: a batch, or with `auto` a single text, does not fit in the memory.
        """
        waiting = sorted(requests, key=lambda request: sum(map(len, request.turns)))
        size = self._batch_size(waiting)
        while waiting:
            batch = waiting[:size]
            compositions = self._attempt(batch)
            if compositions is None:
                size = len(batch) // 2
                _LOG.warning(
                    "%s: %d texts at a time do not fit in the memory; going on with %d", self.name, len(batch), size
                )
                continue
            waiting = waiting[size:]
            yield from compositions

    def longest(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Tokens of the longest prompt and of the longest conversation that requests can lead to.

        Args:
            requests: at least one.
        """
        turns = max((request.turns for request in requests), key=lambda turns: sum(map(len, turns)))
        said = len(self._encoded(_conversation(turns)))
        return said + (len(turns) - 1) * self.max_new_tokens, said + len(turns) * self.max_new_tokens

    def _batch_size(self, requests: Sequence[Request]) -> int:
        if self.batch_size != "auto":
            return self.batch_size
        if not requests:
            return 1
        dtype = torch.bfloat16 if self._casts() else self.model.dtype
        return texts_at_once(self.model, *self.longest(requests), dtype, self._casts())

    def _attempt(self, batch: Sequence[Request]) -> list[Composition] | None:
        """The batch's texts; None if there is not the memory for it, and fewer may be tried."""
        try:
            return self._write_batch(batch)
        except torch.OutOfMemoryError as error:
            if len(batch) == 1 or self.batch_size != "auto":
                number = "one text" if len(batch) == 1 else f"{len(batch)} texts at a time"
                mend = "max_new_tokens" if len(batch) == 1 else "batch_size"
                raise InputError(f"{self.name}: {number} cannot be written in the memory; lower {mend}") from error
        if torch.cuda.is_available():  # only here: what the batch held is in the error's frames
            torch.cuda.empty_cache()
        return None

    def _write_batch(self, batch: Sequence[Request]) -> list[Composition]:
        turns = {len(request.turns) for request in batch}
        assert len(turns) == 1, "requests of one prompt set have the same number of turns"
        last = turns.pop() - 1
        conversations: list[list[Message]] = [[] for _ in batch]
        finish: list[FinishReason] = ["stop"] * len(batch)
        used = [{"prompt_tokens": 0, "completion_tokens": 0} for _ in batch]
        past: Past | None = None
        for turn in range(last + 1):
            for conversation, request in zip(conversations, batch, strict=True):
                conversation.append({"role": "user", "content": request.turns[turn]})
            seeds = [hash_seed(self.seed, r.combination.id, r.generation, turn) for r in batch]
            replies, past = self._reply(conversations, seeds, past, turn < last)
            for i, (reply, reason, prompt_tokens, new_tokens) in enumerate(replies):
                conversations[i].append({"role": "assistant", "content": reply})
                finish[i] = reason
                used[i]["prompt_tokens"] += prompt_tokens
                used[i]["completion_tokens"] += new_tokens
        return [
            Composition(
                request.combination,
                request.generation,
                tuple(conversation),
                extract_answer(conversation[-1]["content"]),
                reason,
                self.name,
                usage,
            )
            for request, conversation, reason, usage in zip(batch, conversations, finish, used, strict=True)
        ]

    def _reply(
        self, conversations: Sequence[Sequence[Message]], seeds: Sequence[int], past: Past | None, goes_on: bool
    ) -> tuple[list[tuple[str, FinishReason, int, int]], Past | None]:
        """(reply, finish reason, prompt tokens, new tokens) of each conversation; what the next turn goes on from."""
        prompts = [self._encoded(conversation) for conversation in conversations]
        rows, past = self._generate(prompts, seeds, past, goes_on)
        stops = self._stop_ids()
        replies: list[tuple[str, FinishReason, int, int]] = []
        for prompt, row in zip(prompts, rows, strict=True):
            stop = next((i for i, token in enumerate(row) if token in stops), None)
            reply = str(self.tokenizer.decode(row[:stop], skip_special_tokens=True)).strip()
            finish: FinishReason = "length" if stop is None else "stop"
            replies.append((reply, finish, len(prompt), len(row) if stop is None else stop + 1))
        return replies, past

    def _generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], past: Past | None, goes_on: bool
    ) -> tuple[list[list[int]], Past | None]:
        """The new token ids of each row, up to and including padding behind a stop token; and what it all left."""
        model = self.model
        stops = self._stop_ids()
        pad = stops[0]
        options: dict[str, Any] = {}
        resumed = continuation(past, prompts, pad) if past is not None else None
        if resumed is not None:
            input_ids, mask = resumed.ids, resumed.mask
            options["past_key_values"] = resumed.cache
        else:
            input_ids, mask = padded(prompts, pad)
        mask = mask.to(model.device)
        if self.temperature > 0:
            options["logits_processor"] = [SampleRows(self.temperature, seeds, self.max_new_tokens)]
        casting = torch.autocast(model.device.type, torch.bfloat16) if self._casts() else nullcontext()
        with (
            torch.no_grad(),
            casting,
        ):  # once for all steps: autocast keeps the weights it has cast as long as it is open
            out = cast(Any, model).generate(  # its annotation is a tensor
                input_ids=input_ids.to(model.device),
                attention_mask=mask,
                max_new_tokens=self.max_new_tokens,
                eos_token_id=stops,
                pad_token_id=pad,
                repetition_penalty=1.0,
                do_sample=False,  # or drawn by SampleRows
                temperature=None,
                top_k=None,
                top_p=None,
                return_dict_in_generate=True,
                # Where ranks have to go in step, who calls this sees to it: they need not have as many batches each.
                synced_gpus=False,
                **options,
            )
        new: list[list[int]] = out.sequences[:, input_ids.shape[1] :].tolist()
        return new, past_of(model, out, mask, stops) if goes_on else None

    def _casts(self) -> bool:
        return self.autocast and fastest_precision(self.model.device.type) == "bf16-mixed"

    def _encoded(self, conversation: Sequence[Message]) -> list[int]:
        """The conversation as the model reads it, up to where its answer begins."""
        messages = [{"role": str(turn["role"]), "content": turn["content"]} for turn in conversation]
        prompt = self.tokenizer.apply_chat_template(
            [*opening(self.tokenizer), *messages], tokenize=False, add_generation_prompt=True
        )
        # The template writes the BOS token itself where the model wants one.
        ids: list[int] = self.tokenizer(str(prompt), add_special_tokens=False)["input_ids"]
        return ids

    def _stop_ids(self) -> list[int]:
        """The tokens that end a turn: the tokenizer's, and those of the model's generation config."""
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        ids = configured if isinstance(configured, list) else [configured]
        return sorted({i for i in (*ids, self.tokenizer.eos_token_id) if i is not None})


def _conversation(turns: Sequence[str]) -> list[Message]:
    """The turns with next to nothing said between them: templates want roles to alternate."""
    messages: list[Message] = []
    for turn in turns:
        messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": "x"}]
    return messages[:-1]
