"""How rare words are among what somebody may read, without asking for each one each time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence

AGE = 600.0
"""Seconds after which a common word is looked up again: so late a name may be noticed that has become rare."""
_READERS, _WORDS = 64, 4_096


class CommonWords:
    """Words that were found in more than a few chunks. Most words of most questions are: these cost no look-up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[Hashable, OrderedDict[int, float]] = OrderedDict()

    def others(self, readable: Hashable, words: Sequence[int]) -> list[int]:
        """Those that may be rare among what is ``readable``."""
        known, now = self._seen.get(readable, OrderedDict[int, float]()), self._clock()
        return [word for word in words if known.get(word, -math.inf) < now - AGE]

    def learn(self, readable: Hashable, words: Collection[int]) -> None:
        known = self._seen.setdefault(readable, OrderedDict())
        self._seen.move_to_end(readable)
        now = self._clock()
        for word in words:
            known[word] = now
            known.move_to_end(word)
        while len(known) > _WORDS:
            known.popitem(last=False)
        while len(self._seen) > _READERS:
            self._seen.popitem(last=False)


def idf(having: int, chunks: int) -> float:
    """As Qdrant has it (BM25), of a word in so many of ``chunks``."""
    return math.log(1 + (max(chunks, having) - having + 0.5) / (having + 0.5))
