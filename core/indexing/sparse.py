"""Sparse vectors for BM25: the rarity of words (IDF) is applied by the index itself.

A vector holds three kinds of terms, each with indices of its own: words, pairs of words that follow each other, and words
of the title. A query says how much each kind counts.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrant_edge import Bm25

SparseVector = tuple[list[int], list[float]]
"""Indices of terms and their weights."""

AVERAGE_LENGTH = 64.0
"""Terms of a usual chunk: of about 100 words a third are stop words."""
AVERAGE_TITLE = 5.0
K1, B = 1.2, 0.75
"""Saturation of a term's frequency, and how much a long text counts against it: the usual values of BM25."""

VERSION = 2
"""Raise it when documents get other terms than before: then the next sync writes them again."""
PAIRS, TITLE = 0.2, 0.1
"""What these count in a query, beside 1 for a word. Measured on ten question sets: + .01 to .02 nDCG@10 each; where titles say
little of the questions, .2 for them costs .01."""

_COMPOUND = re.compile(r"\b(?=\w*[a-z0-9][A-Z]|\w*[A-Z][A-Z][a-z])[A-Za-z0-9]+\b")
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IDENTIFIER = re.compile(r"(?<![\w.-])(?=[\w./:-]{0,64}[\d_.:/])[^\W_]+(?:[-_./:][^\W_]+)+(?![\w-])")
"""``INC-0412``, ``max_file_size``, ``stream.closed``: letters and digits with marks between them, and not only hyphens."""
_NAMED = re.compile(r"(?<![\w.-])(?=[\w./:-]*\d)(?=[\w./:-]*[^\W\d_])[^\W_]+(?:[-_./:][^\W_]+)*(?![\w-])")
"""What somebody numbered: ``INC-0412``, ``E1042``, ``L-05``."""
_WORD = re.compile(r"[^\W_]+")
# Scripts that write no spaces: Thai to Khmer, kana, Han and their extensions.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_WORDS_KNOWN = 65_536


def document_vector(title: str, text: str) -> SparseVector:
    """Weights of the terms of an indexed text, which begins with its title: their frequency, saturated and set against the
    text's length.
    """
    found = list(_terms(text))
    words = Counter(term for word in found for term in word)
    vector = _weights(words, AVERAGE_LENGTH)
    vector |= _weights(Counter(_pairs(found)), AVERAGE_LENGTH)
    vector |= _weights(Counter(_titled(term) for word in _terms(title) for term in word), AVERAGE_TITLE)
    return list(vector), list(vector.values())


def query_vector(text: str, *, pairs: float = PAIRS, title: float = TITLE, compounds: bool = True) -> SparseVector:
    """Every term of a question once: a word with weight 1. Both lists are empty if there are only stop words."""
    found = list(_terms(text, compounds=compounds))
    words = {term for word in found for term in word}
    vector = dict.fromkeys(sorted(words), 1.0)
    if title:
        vector |= {_titled(term): title for term in sorted(words)}
    if pairs:
        vector |= dict.fromkeys(sorted(set(_pairs(found))), pairs)
    return list(vector), list(vector.values())


def words_of(text: str) -> list[int]:
    """The words of a question, once each, in their order."""
    return list(dict.fromkeys(term for word in _terms(text) for term in word))


def numbered(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """Identifiers in a question that have letters and digits: each as one word, and the words that they are made of."""
    names = [_WORD.findall(name) for name in _NAMED.findall(text)]
    whole = frozenset(term for name in names for term in _indices("".join(name)))
    return whole, frozenset(term for name in names for part in name for term in _indices(part))


def _weights(frequencies: Counter[int], average: float) -> dict[int, float]:
    length = B * frequencies.total() / average + 1 - B
    return {term: often * (K1 + 1) / (often + K1 * length) for term, often in frequencies.items()}


def _terms(text: str, *, compounds: bool = True) -> Iterator[tuple[int, ...]]:
    """The indices of each word, stop words left out."""
    for word in _WORD.findall(_spread(text) if compounds else _unspaced(text)):
        if found := _indices(word):
            yield found


def _pairs(words: Iterable[tuple[int, ...]]) -> Iterator[int]:
    return (_hash(f"{one[-1]} {other[0]}") for one, other in pairwise(words))


def _titled(term: int) -> int:
    return _hash(f"title {term}")


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


@lru_cache(maxsize=_WORDS_KNOWN)
def _indices(word: str) -> tuple[int, ...]:
    """One, as a rule: of the word's stem. None of a stop word."""
    return tuple(_model().embed_query(word).indices)


@lru_cache(maxsize=1)
def _model() -> Bm25:
    from qdrant_edge import Bm25, Bm25Config

    return Bm25(Bm25Config(language="english", ascii_folding=True))


def _spread(text: str) -> str:
    """``getUserName`` and ``INC-0412`` also as their words and as one, unspaced scripts as overlapping pairs of characters."""
    text = _COMPOUND.sub(lambda name: f"{name.group()} {' '.join(_HUMP.findall(name.group()))}", text)
    text = _IDENTIFIER.sub(lambda name: f"{name.group()} {''.join(_WORD.findall(name.group()))}", text)
    return _unspaced(text)


def _unspaced(text: str) -> str:
    return _UNSPACED.sub(lambda run: f" {_characters(run.group())} ", text)


def _characters(run: str) -> str:
    return " ".join(run[start : start + 2] for start in range(len(run) - 1)) if len(run) > 1 else run
