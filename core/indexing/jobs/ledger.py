"""The ledger of a claim: rows, cursor and groups in Redis, written as what changed and behind the claim's fence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from core.errors import TransientError
from core.groups import fields_of, groups_key, stored_groups
from core.indexing.jobs.claim import Claim, ClaimLost
from core.indexing.jobs.records import CLEAR, KEEP, ROWS, SWAP, Keys, ask
from core.indexing.ledger import Row
from core.models import Principal, SyncReport, SyncState, now
from core.redis import text

if TYPE_CHECKING:
    from redis.asyncio import Redis

_AT_ONCE = 256 * 1024
"""Bytes of one script, about: Redis does nothing else for a few milliseconds meanwhile."""


class ClaimLedger:
    """The :class:`core.indexing.ledger.Ledger` of a sync, for as long as its claim holds."""

    def __init__(self, claim: Claim, state: SyncState, *, clock: Callable[[], datetime] = now) -> None:
        """``state`` is what is told of the sync, its report aside."""
        self.report = state.report
        """As far as it was told."""
        self._claim = claim
        self._state = state
        self._clock = clock
        self.guard = claim.guard

    async def load(self) -> dict[str, Row]:
        return await load_rows(self._claim.redis, self._claim.keys)

    async def keep(self, cursor: str | None, rows: Mapping[str, Row | None]) -> None:
        # The cursor comes last: rows without it only make the next sync do again what was done.
        *pieces, last = _pieces({document_id: _stored(row) if row else "" for document_id, row in rows.items()})
        for piece in pieces:
            await self._claim.write(KEEP, (self._claim.keys.rows,), "", *piece)
        await self._claim.write(KEEP, (self._claim.keys.rows,), cursor or "", *last)

    async def told_groups(self) -> Mapping[Principal, frozenset[Principal]]:
        return await ask(stored_groups(self._claim.redis, self._claim.request.source))

    async def groups(self, members: Mapping[Principal, frozenset[Principal]]) -> None:
        told = groups_key(self._claim.request.source)
        beside = f"{told}:next"
        await self._claim.write(CLEAR, (beside,))
        for piece in _pieces(fields_of(members, self._clock())):
            await self._claim.write(KEEP, (beside,), "", *piece)
        await self._claim.write(SWAP, (beside, told))

    async def progress(self, report: SyncReport) -> None:
        self.report = report
        with suppress(TransientError, ClaimLost):
            await self._claim.tell(replace(self._state, report=report))


async def load_rows(redis: Redis, keys: Keys) -> dict[str, Row]:
    stored = await ask(cast("Awaitable[dict[Any, Any]]", redis.hgetall(keys.rows)))
    return {text(document_id): ROWS.validate_json(row) for document_id, row in stored.items()}


def _stored(row: Row) -> str:
    return ROWS.dump_json(row, exclude_defaults=True).decode()


def _pieces(fields: Mapping[str, str]) -> Iterator[list[str]]:
    """Names and values by turns, at least one piece."""
    piece: list[str] = []
    size = 0
    for name, value in fields.items():
        if size >= _AT_ONCE:
            yield piece
            piece, size = [], 0
        piece += (name, value)
        size += len(name) + len(value)
    yield piece
