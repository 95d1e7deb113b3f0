"""Texts that say the same: of the same words, or, by a chosen measure, of nearly the same.

Near duplicates are found by MinHash with banding (Broder 1997; Indyk and Motwani 1998), which proposes, and decided by
the exact Jaccard similarity of the sets of word triples, so that chance can at worst overlook one.
"""

import hashlib
import re
import unicodedata
import zlib
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"\w+")
_SHINGLE = 3  # words
_PERMUTATIONS = 128
_PRIME = 2**31 - 1  # products of two residues fit into 64 bits
_FOUND = 0.999  # the share of pairs at the threshold that the banding must propose


class Twin(NamedTuple):
    """A text that was there before.

    Attributes:
        id: of the earlier text.
        similarity: 1 for the same words, else the Jaccard similarity.
        same_words: whether it is an exact duplicate, but for case, blanks and punctuation.
    """

    id: str
    similarity: float
    same_words: bool


class SeenTexts:
    """Remembers texts and finds those that come again.

    Args:
        threshold: the similarity from which a text is a near duplicate; None looks for texts of the same words only.
    """

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold
        self._by_words: dict[str, str] = {}
        self._shingles: list[tuple[str, frozenset[str]]] = []
        self._buckets: dict[tuple[int, bytes], list[int]] = {}
        self._rows = _rows_per_band(threshold) if threshold is not None else 0

    def twin(self, text: str) -> Twin | None:
        """The earlier text that this one repeats; of several near ones the nearest, then the first."""
        words = normalised(text)
        if words in self._by_words:
            return Twin(self._by_words[words], 1.0, same_words=True)
        if self.threshold is None:
            return None
        shingles = _shingles(words)
        found = {index for key in self._bands(shingles) for index in self._buckets.get(key, ())}
        near = [(_jaccard(shingles, self._shingles[index][1]), -index) for index in found]
        similarity, index = max(near, default=(0.0, 0))
        return Twin(self._shingles[-index][0], similarity, False) if similarity >= self.threshold else None

    def add(self, id: str, text: str) -> None:
        """Remembers a text."""
        words = normalised(text)
        self._by_words.setdefault(words, id)
        if self.threshold is not None:
            shingles = _shingles(words)
            for key in self._bands(shingles):
                self._buckets.setdefault(key, []).append(len(self._shingles))
            self._shingles.append((id, shingles))

    def _bands(self, shingles: frozenset[str]) -> list[tuple[int, bytes]]:
        hashes = np.fromiter((zlib.crc32(s.encode(errors="surrogatepass")) for s in shingles), np.int64, len(shingles))
        signature = ((_FACTORS * (hashes % _PRIME) + _SHIFTS) % _PRIME).min(axis=1)
        bands = len(signature) // self._rows
        return [(band, signature[band * self._rows : (band + 1) * self._rows].tobytes()) for band in range(bands)]


def normalised(text: str) -> str:
    """The words of a text in lower case, one blank between them: what exact duplicates share."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _shingles(words: str) -> frozenset[str]:
    parts = words.split(" ")
    return frozenset(" ".join(parts[i : i + _SHINGLE]) for i in range(max(1, len(parts) - _SHINGLE + 1)))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def _rows_per_band(threshold: float) -> int:
    """The most selective banding that still proposes (nearly) every pair at the threshold."""
    fitting = [rows for rows in range(1, 17) if 1 - (1 - threshold**rows) ** (_PERMUTATIONS // rows) >= _FOUND]
    return max(fitting, default=1)


def _constants(name: str) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Numbers from 1 to the prime less 1, the same in every version of everything."""
    digests = (hashlib.sha256(f"{name}/{number}".encode()).digest() for number in range(_PERMUTATIONS))
    return np.array([[1 + int.from_bytes(digest[:8]) % (_PRIME - 1)] for digest in digests], np.int64)


_FACTORS, _SHIFTS = _constants("factor"), _constants("shift")
