"""Finds the criterion that a row of a table or a key of a JSON object means: by its name, never by its place."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from skillmix_lightning.graders.rubric import Rubric

TOTAL = "total"

_BRACKETED = re.compile(r"[(\[][^()\[\]]*[)\]]")
_WORD = re.compile(r"[^\W_]+")
_LIST_MARK = re.compile(r"\(?#?[0-9]{1,2}[.):]\s*|[-•*+#]\s+")
_WRAPPED = re.compile(r"(\*{1,3}|_{1,2}|`+|[\"'“‘])(.+?)(?:\1|[\"'”’])[:.]?|(.+)[:.]", re.DOTALL)
_DIGITS = {
    word: str(number)
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
}
_TOTAL = re.compile(
    r"(?:grand |overall |final )?(?:total|sum|overall)(?: (?:points?|scores?|marks?|grade))?"
    r"(?: (?:earned|awarded|received|given))?(?: (?:out )?of [0-9]+)?"
)


@dataclass(frozen=True)
class _Name:
    """One way to write a criterion: its spelling, its words, and those of its words that stand outside brackets."""

    criterion: str
    spelling: str
    words: tuple[str, ...]
    essential: frozenset[str]


class Labels:
    """The criteria of a rubric, to be found by name.

    A row means the criterion that the first of these rules finds: the label as written, but for case, blanks, emphasis
    and a number before it; the label's words, whatever the punctuation; all of its words outside brackets and any of
    those within ("complex/loaded question" is "complex question (loaded …)"); the same for a skill's bare name or the
    criterion's id. A name that is only part of another never finds it, and a row that could mean two criteria finds
    both, which is as good as none.
    """

    def __init__(self, rubric: Rubric) -> None:
        bare = [criterion.removeprefix("skill:") for criterion in rubric.criteria]
        self._ids = [_name(criterion, criterion) for criterion in rubric.criteria]
        self._names = [_name(criterion, name) for criterion, name in zip(rubric.criteria, bare, strict=True)]
        self._labels = [
            # The words of a label tell nothing where its skill's name has none ("Correctly illustrates :-)").
            _name(criterion, label, worded=bool(_words(name)))
            for criterion, label, name in zip(rubric.criteria, rubric.labels, bare, strict=True)
        ]
        self._longest = 40 + 2 * max(map(len, (*rubric.labels, *rubric.criteria)), default=0)
        self.most_pipes = max((name.spelling.count("|") for name in (*self._labels, *self._ids)), default=0)

    def of_row(self, cell: str) -> frozenset[str]:
        """The criteria a cell can mean: one, none, or several if it is ambiguous; `TOTAL` for the total's row."""
        if len(cell) > self._longest:
            return frozenset()
        found = _find(self._labels, cell)
        if not found and _TOTAL.fullmatch(" ".join(_words(cell))):
            return frozenset({TOTAL})
        return found or _find([*self._names, *self._ids], cell)

    def of_key(self, key: str) -> frozenset[str]:
        """The same for a key of a JSON object, which may be a criterion's id."""
        exact = frozenset(name.criterion for name in self._ids if name.spelling == _spelling(key))
        return exact or self.of_row(key)

    def spelled(self, cell: str) -> frozenset[str]:
        """The criteria whose label or name is spelled in the cell."""
        if len(cell) > self._longest:
            return frozenset()
        spellings = set(_spellings(cell))
        return frozenset(n.criterion for n in (*self._labels, *self._names, *self._ids) if n.spelling in spellings)


def _name(criterion: str, text: str, worded: bool = True) -> _Name:
    words = _words(text) if worded else ()
    return _Name(criterion, _spelling(text), words, frozenset(_words(_BRACKETED.sub(" ", text)) if worded else ()))


def _find(names: Iterable[_Name], cell: str) -> frozenset[str]:
    names = list(names)
    spellings = set(_spellings(cell))
    if found := frozenset(name.criterion for name in names if name.spelling in spellings):
        return found
    readings = [_words(cell), _words(_BRACKETED.sub(" ", cell))]
    readings += [words[1:] for words in readings if words and words[0].isdecimal()]
    readings = [words for words in readings if words]
    if found := frozenset(name.criterion for name in names if name.words in readings):
        return found
    return frozenset(
        name.criterion
        for name in names
        if name.essential and any(name.essential <= set(words) <= set(name.words) for words in readings)
    )


def _spellings(cell: str) -> Iterator[str]:
    """A cell as written, and what is left of it when list marks and emphasis are taken off one by one."""
    while cell:
        yield _spelling(cell)
        mark, wrapped = _LIST_MARK.match(cell), _WRAPPED.fullmatch(cell)
        if mark:
            cell = cell[mark.end() :].strip()
        elif wrapped:
            cell = (wrapped.group(2) or wrapped.group(3)).strip()
        else:
            return


def _spelling(text: str) -> str:
    plain = unicodedata.normalize("NFC", text).replace(r"\|", "|").casefold()
    return re.sub(r" ?\| ?", "|", " ".join(plain.split()))


def _words(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return tuple(_DIGITS.get(word, word) for word in _WORD.findall(plain))
