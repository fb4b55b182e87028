"""Words that nobody here writes, and the words of titles and headings that they are probably meant to be."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from rapidfuzz import process
from rapidfuzz.distance import OSA

from core.answering.terms import content_words

SHORTEST = 4
"""Letters of a word that is corrected at all."""
TWO_FROM = 8
"""Letters from which on two slips are believed; below it, only one. A transposition is one slip."""
_NEAR = 5
"""Candidates of each distance that are looked at."""

# What stands in code, a link or an address is meant as it is written, and so is what has marks or digits inside.
_AS_WRITTEN = re.compile(r"`[^`]*`|\S*[\d_@/\\#=<>{}()\[\]]\S*|\w+[.:-]\w\S*")


def doubtful(question: str) -> list[str]:
    """The words that could be misspelt: plain ones, neither names in capitals nor identifiers."""
    plain = _AS_WRITTEN.sub(" ", question)
    words = (word for word in content_words(plain) if word.isascii() and word.isalpha() and len(word) >= SHORTEST)
    return list(dict.fromkeys(word for word in words if word[1:].islower()))


def corrected(text: str, slips: Mapping[str, str]) -> str:
    """The text with the right words in place of the misspelled ones, but in names and paths."""
    for word, right in slips.items():
        text = re.sub(rf"(?<![\w./@-]){re.escape(word)}(?!\.?[\w/@-])", right, text)
    return text


class Spellings:
    """The known words by their first letter and length: a first letter is hardly ever wrong, and so few are compared."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._by: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for word in words:
            self.add(word)

    def add(self, word: str) -> None:
        """In lower case, and not known yet."""
        self._by[word[0], len(word)].append(word)

    def near(self, word: str, admitted: Callable[[str], bool]) -> list[str]:
        """The admitted words at the smallest distance that is believed, in alphabetical order; none if ``word`` is one."""
        folded = word.casefold()
        most = 2 if len(folded) >= TWO_FROM else 1
        found: defaultdict[int, list[str]] = defaultdict(list)
        for length in range(len(folded) - most, len(folded) + most + 1):
            known = self._by.get((folded[0], length), ())
            for candidate, distance, _ in process.extract_iter(folded, known, scorer=OSA.distance, score_cutoff=most):
                if admitted(candidate):
                    found[int(distance)].append(candidate)
        return sorted(found[min(found)])[:_NEAR] if found and 0 not in found else []
