"""Sparse vectors for BM25: the rarity of words (IDF) is applied by the index itself."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrant_edge import Bm25

SparseVector = tuple[list[int], list[float]]
"""Indices of terms and their weights."""

AVERAGE_LENGTH = 64.0
"""Terms of a usual chunk: of about 100 words a third are stop words."""

_COMPOUND = re.compile(r"\b(?=\w*[a-z0-9][A-Z]|\w*[A-Z][A-Z][a-z])[A-Za-z0-9]+\b")
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Scripts that write no spaces: Thai to Khmer, kana, Han and their extensions.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def document_vector(text: str) -> SparseVector:
    """Weights of the terms of an indexed text: their frequency, saturated (k1 1.2) and set against its length (b .75)."""
    vector = _model().embed_document(_spread(text))
    return list(vector.indices), list(vector.values)


def query_vector(text: str) -> SparseVector:
    """Every term of a question once, with weight 1. Both lists are empty if there are only stop words."""
    vector = _model().embed_query(_spread(text))
    return list(vector.indices), list(vector.values)


@lru_cache(maxsize=1)
def _model() -> Bm25:
    from qdrant_edge import Bm25, Bm25Config

    return Bm25(Bm25Config(k=1.2, b=0.75, avg_len=AVERAGE_LENGTH, language="english", ascii_folding=True))


def _spread(text: str) -> str:
    """``getUserName`` also as its words, and unspaced scripts as overlapping pairs of characters."""
    text = _COMPOUND.sub(lambda name: f"{name.group()} {' '.join(_HUMP.findall(name.group()))}", text)
    return _UNSPACED.sub(lambda run: f" {_pairs(run.group())} ", text)


def _pairs(run: str) -> str:
    return " ".join(run[start : start + 2] for start in range(len(run) - 1)) if len(run) > 1 else run
