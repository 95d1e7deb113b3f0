"""Tiny models that have something to say, and stop saying it: for tests that compare texts."""

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillmix_lightning.models import load_causal_lm
from skillmix_lightning.students.base import Request


def with_something_to_say(folder: Path, seed: int = 1) -> Path:
    """Makes the model's blocks louder than its embeddings: left as they are, it repeats its last token, a line feed."""
    model = load_causal_lm(str(folder))
    make_talk(model, seed)
    model.save_pretrained(folder)
    return folder


def make_talk(model: PreTrainedModel, seed: int = 1, stops: int = 1) -> None:
    """Gives the blocks loud random weights, and lets that many of the tokens end a turn."""
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "layers" in name:
            torch.nn.init.normal_(weight, std=0.5)
    assert model.generation_config is not None
    if stops > 1:
        model.generation_config.eos_token_id = list(range(2, 2 + stops))


def plain_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, request: Request, max_new_tokens: int
) -> tuple[list[str], list[tuple[list[int], list[int]]]]:
    """What greedy decoding alone says, turn by turn, each read from its beginning: the oracle of batches and caches.

    Returns:
        The replies; and for each turn the prompt and what was generated, in tokens.
    """
    stops = model.generation_config.eos_token_id if model.generation_config else None
    stops = stops if isinstance(stops, list) else [stops]
    messages: list[dict[str, str]] = []
    tokens = []
    for turn in request.turns:
        messages.append({"role": "user", "content": turn})
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        new: list[int] = []
        with torch.no_grad():
            while len(new) < max_new_tokens and not (new and new[-1] in stops):
                new.append(int(model(torch.tensor([ids + new]), use_cache=False).logits[0, -1].argmax()))
        said = new[:-1] if new[-1] in stops else new
        messages.append({"role": "assistant", "content": tokenizer.decode(said, skip_special_tokens=True).strip()})
        tokens.append((ids, new))
    return [message["content"] for message in messages[1::2]], tokens
