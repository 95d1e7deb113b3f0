"""Takes the text out of a reply."""


def extract_answer(reply: str) -> str:
    """The text of a reply: after the last "Answer:" and before the first "Explanation" behind it, stripped.

    A reply without "Answer:" is a text from its start on (one-turn prompts ask for the bare text).
    """
    _, _, answer = reply.rpartition("Answer:")
    return answer.partition("Explanation")[0].strip()
