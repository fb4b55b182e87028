"""The access classes in the index: which there are, and whom they admit."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from core.indexing.payloads import access_of
from core.models import Access, Audience, Principal

AGE = 5.0
"""Seconds after which another process's new access class is surely known here. Until then nobody may read it here."""

Facet = Callable[[str, Sequence[str] | None], Awaitable[Mapping[str, int]]]
"""The values of a payload field with the number of chunks that have each, among those of some access classes or among all."""


class AccessClasses:
    """Read from the index itself, so that losing Redis or a process loses nothing. What is unknown admits nobody.

    Only the list of names is read again and again; the gates of a class never change, for its name is their hash.
    """

    def __init__(self, facet: Facet) -> None:
        self._facet = facet
        self._known: dict[str, Access] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._chunks: Mapping[str, int] = {}

    async def readable_by(self, audience: Audience) -> dict[str, Access]:
        """The classes that the whole audience passes, by name."""
        async with self._reading:
            if self._read_at is None or time.monotonic() - self._read_at > AGE:
                await self._read()
        return passed_by(audience, self._known)

    def chunks(self, classes: Iterable[str]) -> int:
        """In these classes, when they were last looked at."""
        return sum(self._chunks.get(name, 0) for name in classes)

    def learn(self, access: Access) -> None:
        """Know a class that was just written."""
        self._known[access.class_id] = access

    async def _read(self) -> None:
        began = time.monotonic()
        found = await self._facet("access", None)
        # The in-memory engine of Qdrant's client takes 32 hex digits for a UUID and writes dashes into it.
        counts = {name.replace("-", ""): count for name, count in found.items()}
        if unknown := sorted(counts.keys() - self._known.keys()):
            for gates in await self._facet("gates", unknown):
                # Gates that were tampered with do not fit the name and open nothing.
                if (access := access_of(gates)).class_id in unknown:
                    self.learn(access)
        self._chunks, self._read_at = counts, began


def passed_by(audience: Audience, classes: Mapping[str, Access]) -> dict[str, Access]:
    """Those that the whole audience passes, as :meth:`Audience.may_read` says of one: of thousands of readers, too, while
    nobody notices.
    """
    if not audience.readers:
        return {}
    named = frozenset[Principal]().union(*(gate for access in classes.values() for gate in access.gates))
    # Each reader is a bit.
    holders: defaultdict[Principal, int] = defaultdict(int)
    for number, reader in enumerate(audience.readers):
        for principal in reader & named:
            holders[principal] |= 1 << number
    everybody = (1 << len(audience.readers)) - 1

    def admits_everybody(gate: Iterable[Principal]) -> bool:
        admitted = 0
        for principal in gate:
            admitted |= holders.get(principal, 0)
        return admitted == everybody

    return {name: access for name, access in classes.items() if all(map(admits_everybody, access.gates))}
