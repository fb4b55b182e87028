"""Which steps of the search are taken: all of them, unless somebody wants to know what one of them is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Each step can be left out on its own. How the chunks are made (their headers) is not part of it."""

    words: bool = True
    """Search by words (BM25)."""
    meaning: bool = True
    """Search by vectors."""
    compounds: bool = True
    """Look for the parts of ``getUserName`` and ``user_name``, too."""
    bigrams: bool = True
    """Two words that follow each other count more."""
    titles: bool = True
    """A word that stands in the title counts more."""
    dbsf: bool = True
    """Fuse both lists by their scores (distribution-based), not by their ranks (RRF)."""
    rare: bool = True
    """What has the rare words of a query (a name, an error code) is among the first."""
    parents: bool = True
    """A chunk counts more when the rest of its document is about the query, too."""
    history: bool = True
    """A follow-up counts what was said before."""
    cut: bool = True
    """Documents far below the best one are left out."""


ALL = Recipe()
