"""Takes the text out of a reply."""

import re

# Replies set their marks in bold ("**Answer:** …", "**Answer**: …") or as headings; that is no part of the text.
_ANSWER = re.compile(r"Answer(?:\*{2,3}|__)?:")
_EXPLANATION = re.compile(r"(?:#+ *)?(?:\*{2,3}|__)?Explanation")
_EMPHASISED = re.compile(r"(\*{1,3})(?!\s)([^*]+)(?<!\s)\1")
_CUT_EXPLANATION = re.compile(r"\n[#*_ ]*(Ex[a-z]*)\Z")


def extract_answer(reply: str) -> str:
    """The text of a reply: after the last "Answer:" and before the first "Explanation" behind it, stripped.

    A reply without "Answer:" is a text from its start on (one-turn prompts ask for the bare text). The stars of bold
    marks, or around the whole text, are taken off, quotation marks stay, and of a reply that was cut within the word
    "Explanation" its beginning goes too.
    """
    marks = list(_ANSWER.finditer(reply))
    answer = reply[marks[-1].end() :] if marks else reply
    end = _EXPLANATION.search(answer)
    text = (answer[: end.start()] if end else answer).strip()
    if marks:
        cut = None if end else _CUT_EXPLANATION.search(text)
        if cut and "Explanation".startswith(cut.group(1)):
            text = text[: cut.start()].rstrip()
        text = _without_half_a_pair(text)
    emphasised = _EMPHASISED.fullmatch(text)
    return emphasised.group(2) if emphasised else text


def extract_answer_reference(reply: str) -> str:
    """The text as the reference implementation takes it: by the bare marks, whatever formatting is left over."""
    return reply.split("Answer:")[-1].split("Explanation")[0].strip()


def _without_half_a_pair(text: str) -> str:
    """Takes off the sign of bold type whose other half stood before the text or behind it."""
    for sign in ("**", "__"):
        if text.count(sign) % 2:
            text = text.removeprefix(sign) if text.startswith(sign) else text.removesuffix(sign)
    return text.strip()
