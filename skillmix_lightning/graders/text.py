"""A text as its sentences, clauses and words: what the checkers look at.

Sentences come from sentencex; a clause is what stands between two of the marks , ; : ( ) — … ? ! or a sentence's end;
a word is letters with inner apostrophes or hyphens, in lower case.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import sentencex
import simplemma

# Numbers keep their inner marks (3.5, 1,000, 10:30), abbreviations their inner dots (p.m, e.g).
_WORD = re.compile(r"\d+(?:[.,:]\d+)+|[^\W\d_](?:\.[^\W\d_])+(?![^\W_])|[^\W_]+(?:['’\-‑][^\W_]+)*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CLOSERS = "\"'”’)]"
# A full stop ends a clause only where it ends the sentence ("Dr.", "J." and "3.5" do not); the marks that numbers hold
# ("1,000", "10:30", "1999–2004") end none; a hyphen with space on both sides is a dash.
_CLAUSE_MARK = re.compile(r"(?:[?!…]|\.{2,}|\.(?=[\"'”’)\]\s]*$))+|[;()—]|--+|(?<=\s)-(?=\s)|(?<!\d)[,:–]|[,:–](?!\d)")
_LIST_NUMBER = re.compile(r"\(?\d{1,2}\.")
_QUOTATION = re.compile(r"[\"“(]([^\"“”()]+)[\"”)]")
_REPORTED = re.compile(
    r"(?:[A-Z][\w’'\-]*|[Tt]he \w+)\s+(?:said|says|asked|asks|cried|replied|answered|called|shouted|whispered|wrote)\b"
)


@dataclass(frozen=True)
class Clause:
    """A run of words between two marks.

    Attributes:
        words: in lower case, without punctuation.
        mark: the mark that ends the clause ("," ";" ":" "(" ")" "." "?" "!", "—" for any dash, "…" for an ellipsis
            within a sentence, or "" where the text just stops). Of several marks in a row ("?!") it is the last.
    """

    words: tuple[str, ...]
    mark: str


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        raw: as written, in one line.
        clauses: those with at least one word, in order.
        end: the last mark of the sentence, "." (also for an ellipsis) "?" "!" or "".
    """

    raw: str
    clauses: tuple[Clause, ...]
    end: str

    @property
    def words(self) -> tuple[str, ...]:
        """All words of the sentence, in lower case."""
        return tuple(word for clause in self.clauses for word in clause.words)


@dataclass(frozen=True)
class Text:
    """A parsed text."""

    raw: str
    sentences: tuple[Sentence, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All words of the text, in lower case."""
        return tuple(word for sentence in self.sentences for word in sentence.words)


def words_of(raw: str) -> tuple[str, ...]:
    """The words of a string, in lower case, with straight apostrophes and plain hyphens."""
    composed = unicodedata.normalize("NFC", raw)
    return tuple(match.group().lower().replace("’", "'").replace("‑", "-") for match in _WORD.finditer(composed))


@lru_cache(maxsize=65536)
def forms(word: str) -> frozenset[str]:
    """The word without a possessive ending, and its dictionary form: two words with a common form are inflections."""
    bare = word.lower().replace("’", "'").removesuffix("'s").strip("'")
    return frozenset({bare, simplemma.lemmatize(bare, lang="en").lower()}) if bare else frozenset()


@lru_cache(maxsize=4096)
def parse(raw: str) -> Text:
    """Splits a text into sentences, clauses and words. An empty text has no sentences; nothing raises."""
    # Half a surrogate pair, which JSON can hold, is no character: sentencex cannot read it.
    readable = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", unicodedata.normalize("NFC", raw))
    return Text(raw, tuple(_sentence(part) for part in _sentences(readable)))


def _sentences(raw: str) -> list[str]:
    parts: list[str] = []
    for line in _lines(raw):
        fresh = True  # the first part of a line never continues the line before
        for segment in sentencex.segment("en", line):
            for part in map(str.strip, _pieces(segment)):
                if parts and not fresh and _continues(parts[-1], part):
                    parts[-1] += f" {part}"
                elif words_of(part):
                    parts.append(part)
                    fresh = False
    return parts


def _lines(raw: str) -> list[str]:
    """The lines of a text, where a line break ends a sentence even without a mark: a list is not one sentence.

    A line that goes on in lower case after one without a closing mark was only wrapped, and is joined to it.
    """
    lines: list[str] = []
    wrapped = False
    for line in (" ".join(row.split()) for row in raw.splitlines()):
        if wrapped and line[:1].islower():
            lines[-1] += f" {line}"
        else:
            lines.append(line)
        wrapped = bool(line) and line.rstrip(_CLOSERS)[-1:] not in tuple(".?!…")
    return lines


def _pieces(segment: str) -> Iterator[str]:
    """Cuts where a sentence ends within a quotation or brackets, which sentencex keeps whole, and after "…"."""
    cuts = [match.end() for match in re.finditer(r"…[\"'”’)]*\s+(?=[\"'“‘(]*[A-Z])", segment)]
    for match in _QUOTATION.finditer(segment):
        inner = list(sentencex.segment("en", match.group(1)))
        if "".join(inner) == match.group(1):
            ends = [sum(map(len, inner[:count])) for count in range(1, len(inner))]
            cuts += [match.start(1) + end for end in ends]
    start = 0
    for cut in sorted(set(cuts)):
        yield segment[start:cut]
        start = cut
    yield segment[start:]


def _continues(before: str, part: str) -> bool:
    """Whether two parts are one sentence: a list's number and its item, a quoted question and who asked it."""
    if _LIST_NUMBER.fullmatch(before):
        return True
    return bool(re.search(r"[?!][\"”’]$", before) and _REPORTED.match(part))


def _sentence(raw: str) -> Sentence:
    clauses = []
    start = 0
    for match in _CLAUSE_MARK.finditer(raw):
        if words := words_of(raw[start : match.start()]):
            clauses.append(Clause(words, _mark(match.group(), raw[match.end() :])))
        start = match.end()
    if words := words_of(raw[start:]):
        clauses.append(Clause(words, ""))
    last = raw.rstrip().rstrip(_CLOSERS)[-1:].replace("…", ".")
    return Sentence(raw, tuple(clauses), last if last in tuple(".?!") else "")


def _mark(run: str, rest: str) -> str:
    if run[0] in "-—–":
        return "—"
    if run.endswith(("…", "..")):
        return "…" if words_of(rest) else "."
    return run[-1]
