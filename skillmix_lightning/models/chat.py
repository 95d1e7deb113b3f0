"""How conversations open: without a system prompt, as the papers' students (arXiv 2310.17567, section 4)."""

from functools import lru_cache

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase


@lru_cache(maxsize=16)
def opening(tokenizer: PreTrainedTokenizerBase) -> tuple[dict[str, str], ...]:
    """The messages to put before a conversation so that its chat template adds no system prompt of its own.

    Some templates (SmolLM2's, Qwen2.5's) bring a default system prompt, and only an empty system turn takes its place;
    it costs SmolLM2 22 tokens in every example. Templates without one, or that refuse a system turn, need nothing.

    Args:
        tokenizer: with a chat template.

    Returns:
        One empty system message, or nothing; for conversations that do not begin with a system turn themselves.
    """
    empty = {"role": "system", "content": ""}
    user = {"role": "user", "content": "x"}
    try:
        plain = str(tokenizer.apply_chat_template([user], tokenize=False))
        emptied = str(tokenizer.apply_chat_template([empty, user], tokenize=False))
    except TemplateError:
        return ()
    return (empty,) if len(emptied) < len(plain) else ()
