"""What is known of the names of things: of titles, headings, folders, sources and people, and who may know it."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from core.answering.understanding.glossary import explained, initials
from core.answering.understanding.spelling import SHORTEST, Spellings
from core.errors import FootnoteError
from core.models import Audience, Label

Labels = Callable[[], AsyncIterator[Sequence[Label]]]
"""Of all chunks, some hundred at a time. Raises TransientError."""
Classes = Callable[[Audience], Awaitable[Collection[str]]]
"""The access classes that every reader may read, by name. Raises TransientError."""
Standing = Callable[[Sequence[str], Audience], Awaitable[Collection[str]]]
"""Those of some words that stand in something that every reader may read. Raises TransientError."""

AGE = 600.0
"""Seconds after which it is read anew."""
_SHARE = 50.0
"""Reading takes at most a fiftieth of the time, however large the index is."""
_FIRST_SECONDS = 0.05
"""The first question waits no longer for it. A small index is read by then."""
_WITNESSES = 3
"""Documents that are remembered for a name: before it is used, one of them must still be readable."""
MOST = 50_000
"""Names of a kind in one access class; who writes more learns less, and nobody else does."""

_WORD = re.compile(r"[^\W\d_]+")

log = structlog.get_logger(__name__)


class Names:
    """Names of one kind: where each was seen, by access class."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
        self._counts: defaultdict[str, int] = defaultdict(int)

    def add(self, name: str, label: Label) -> bool:
        """Whether it is new to everybody."""
        new = name not in self._seen
        if label.access not in self._seen.get(name, ()):
            if self._counts[label.access] >= MOST:
                return False
            self._counts[label.access] += 1
        documents = self._seen[name].setdefault(label.access, [])
        if label.document_id not in documents and len(documents) < _WITNESSES:
            documents.append(label.document_id)
        return new

    def witnesses(self, name: str, classes: Collection[str]) -> list[str]:
        """Documents of these classes in which it was seen, by id: none if it is unknown there."""
        seen = self._seen.get(name, {})
        found = (document for access in seen if access in classes for document in seen[access])
        return list(found)[: _WITNESSES * _WITNESSES]

    def within(self, classes: Collection[str]) -> list[str]:
        """All that were seen in these classes."""
        return sorted(name for name, seen in self._seen.items() if any(access in classes for access in seen))


@dataclass(frozen=True, kw_only=True)
class Learned:
    """All that was read, of everybody."""

    words: Names = field(default_factory=Names)
    """Of titles and headings, in lower case."""
    spellings: Spellings = field(default_factory=Spellings)
    explained: defaultdict[str, Names] = field(default_factory=lambda: defaultdict(Names))
    """What an acronym stands for, by the acronym in lower case."""
    short: defaultdict[str, Names] = field(default_factory=lambda: defaultdict(Names))
    """The acronym, by what it stands for in lower case."""
    initials: defaultdict[str, Names] = field(default_factory=lambda: defaultdict(Names))
    """The whole titles and headings with these initials."""
    sources: Names = field(default_factory=Names)
    paths: dict[tuple[str, ...], Names] = field(default_factory=dict)
    owners: Names = field(default_factory=Names)
    texts: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Documents of each class in which a title or heading was read: all chunks of a document repeat its title."""

    def learn(self, labels: Iterable[Label]) -> None:
        for label in labels:
            self.sources.add(label.source, label)
            for owner in label.owners:
                self.owners.add(owner, label)
            for depth in range(1, len(label.path) + 1):
                self.paths.setdefault(label.path[:depth], Names()).add("", label)
            for text in (label.title, *label.headings):
                told = self.texts[label.access, text]
                if label.document_id not in told and len(told) < _WITNESSES:
                    told.add(label.document_id)
                    self._learn_text(text, label)

    def _learn_text(self, text: str, label: Label) -> None:
        for word in _WORD.findall(text.casefold()):
            if len(word) >= SHORTEST and self.words.add(word, label):
                self.spellings.add(word)
        for short, words in explained(text):
            self.explained[short.casefold()].add(words, label)
            self.short[words.casefold()].add(short, label)
        if letters := initials(text):
            self.initials[letters.casefold()].add(text.strip(), label)


class Vocabulary:
    """Read from the index in the background. A question takes what was read last, and of that only what its audience may
    read.
    """

    def __init__(self, labels: Labels, classes: Classes, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._labels = labels
        self._classes = classes
        self._timer = timer
        self._learned: Learned | None = None
        self._until = -math.inf
        self._reading: asyncio.Task[None] | None = None

    async def known_to(self, audience: Audience) -> tuple[Learned, frozenset[str]]:
        """What was learned, and the access classes of which this audience may be told. Raises TransientError."""
        if self._reading is None and self._timer() >= self._until:
            self._reading = asyncio.create_task(self._read())
        if self._learned is None and self._reading is not None:
            await asyncio.wait({self._reading}, timeout=_FIRST_SECONDS)
        return self._learned or Learned(), frozenset(await self._classes(audience))

    async def refresh(self) -> None:
        """Read now. Raises TransientError."""
        began = self._timer()
        learned = Learned()
        async for labels in self._labels():
            learned.learn(labels)
            await asyncio.sleep(0)
        self._learned = learned
        self._until = self._timer() + max(AGE, _SHARE * (self._timer() - began))

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self) -> None:
        try:
            await self.refresh()
        except FootnoteError as error:
            self._until = self._timer() + AGE / _SHARE
            log.warning("vocabulary.unread", reason=str(error), consequence="acronyms, typos and folders are not understood")
        finally:
            self._reading = None
