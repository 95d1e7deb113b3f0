"""Chat templates of the model families, and tokenizers that have what is special about each.

Mistral's own SentencePiece model is inside mistral-common; Llama-2's is in no package, but is of the same make (BPE
with byte fallback, no normalization), so that Mistral's stands in for it. The other families are byte-level BPE,
trained here on a few words, with the special tokens of their family.
"""

from functools import lru_cache
from pathlib import Path

import mistral_common
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaTokenizerFast, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

_ALTERNATE = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
)

#: Blanks inside and around the brackets as mistral-common writes them; </s> stands right behind the answer.
MISTRAL = (
    "{{ bos_token }}"
    + _ALTERNATE
    + "{% if m.role == 'user' %}{{ ' [INST] ' + m.content + ' [/INST]' }}"
    + "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)

#: The form it had when the model came out: no blank before an answer.
MISTRAL_FIRST = (
    "{{ bos_token }}"
    + _ALTERNATE
    + "{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    + "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)

#: BOS opens every pair of turns, contents are stripped, and a blank stands between an answer and </s>.
LLAMA_2 = (
    "{% if messages[0].role == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = '' %}{% endif %}"
    "{% for m in loop_messages %}{% set content = (system_message if loop.first else '') + m.content %}"
    "{% if m.role == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

#: ChatML with a default system prompt.
QWEN = (
    "{% if messages[0].role != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant of the house.<|im_end|>\n' }}{% endif %}" + CHATML
)

LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

#: No system role; the assistant is called model.
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + _ALTERNATE
    + "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + m.content | trim }}"
    + "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

#: How Llama 3's and Qwen's tokenizers cut a text into words: a run of line feeds is one.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CORPUS = [
    "Write about sewing. The seam holds, and the thread runs on.\n\n\nAnswer: (it) holds!\n\n\n The\n\nseam\n"
] * 20


@lru_cache
def _mistral_pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges. transformers' own reading of a SentencePiece file orders merges by id instead of score.

    Mistral scores runs of blanks lowest, so that "  the" is "▁", "▁the"; by id it would become "▁▁", "the".
    """
    model = Path(mistral_common.__file__).parent / "data" / "tokenizer.model.v1"
    pieces = SentencePieceProcessor(model_file=str(model))
    scores = {pieces.id_to_piece(index): pieces.get_score(index) for index in range(len(pieces))}
    vocab = {piece: index for index, piece in enumerate(scores)}
    return vocab, generate_merges(vocab, scores)


def mistral_tokenizer(chat_template: str = MISTRAL, legacy: bool = True) -> PreTrainedTokenizerBase:
    """The tokenizer of Mistral-7B-Instruct v0.1 and v0.2.

    Args:
        chat_template: of the conversations.
        legacy: as in the model's own settings, a blank follows every special token; otherwise only a text's start.
    """
    vocab, merges = _mistral_pieces()
    tokenizer = LlamaTokenizerFast(vocab=vocab, merges=merges, legacy=legacy, add_bos_token=True)
    tokenizer.chat_template = chat_template
    return tokenizer


def byte_level_tokenizer(
    chat_template: str, special: tuple[str, ...], bos: str | None = None, eos: str | None = None
) -> PreTrainedTokenizerBase:
    """A byte-level BPE with a family's special tokens; long enough trained to have tokens of several line feeds."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos)
    fast.chat_template = chat_template
    return fast


def family_tokenizers() -> dict[str, PreTrainedTokenizerBase]:
    """A tokenizer with a chat template for every family."""
    headers = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    turns = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
    chatml = ("<|im_start|>", "<|im_end|>")
    return {
        "mistral": mistral_tokenizer(),
        "mistral, first form": mistral_tokenizer(MISTRAL_FIRST),
        "llama-2": mistral_tokenizer(LLAMA_2, legacy=False),
        "chatml": byte_level_tokenizer(CHATML, chatml, eos="<|im_end|>"),
        "qwen": byte_level_tokenizer(QWEN, ("<|endoftext|>", *chatml), eos="<|im_end|>"),
        "llama-3": byte_level_tokenizer(LLAMA_3, headers, "<|begin_of_text|>", "<|eot_id|>"),
        "gemma": byte_level_tokenizer(GEMMA, turns, "<bos>", "<eos>"),
    }
