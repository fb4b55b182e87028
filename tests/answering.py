"""Hits, messages and a search with a script, for the tests of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from core.answering.evidence import Evidence
from core.channels import DEFAULT, ChannelConfig
from core.indexing.index import Index
from core.models import PUBLIC, Access, Answer, Audience, Chunk, Hit, Message, Query, Retrieved

UPDATED = datetime(2026, 3, 1, tzinfo=UTC)

LEAVE = """\
Employees get 30 days of paid leave a year. Requests go through the people portal at least two weeks ahead.

| Country | Public holidays |
| --- | --- |
| Germany | 11 |
| France | 10 |"""
TRAVEL = "Trips are booked at the travel desk. A trip above 1,000 euros needs the approval of a manager."


def hit(
    document_id: str = "wiki:leave",
    text: str = LEAVE,
    *,
    title: str = "Leave",
    score: float = 1.0,
    position: int = 0,
    headings: tuple[str, ...] = (),
    access: Access = PUBLIC,
    url: str | None = None,
    source: str = "wiki",
) -> Hit:
    return Hit(
        score=score,
        chunk=Chunk(
            document_id=document_id,
            position=position,
            source=source,
            title=title,
            url=f"https://wiki.acme.com/{document_id.partition(':')[2]}" if url is None else url,
            headings=headings,
            text=text,
            updated_at=UPDATED,
            access=access,
        ),
    )


LEAVE_HIT = hit()
TRAVEL_HIT = hit("wiki:travel", TRAVEL, title="Travel", score=0.9)


def evidence(*hits: Hit) -> tuple[Evidence, ...]:
    """One piece of evidence per hit, numbered as given."""
    return tuple(Evidence(number=number, hits=(item,)) for number, item in enumerate(hits, 1))


def five_documents() -> tuple[Evidence, ...]:
    return evidence(*(hit(f"wiki:page-{number}", f"Fact number {number}.", title=f"Page {number}") for number in range(1, 6)))


async def public(document_ids: Collection[str]) -> dict[str, Access]:
    """Everything is there, and everyone may read it."""
    return dict.fromkeys(document_ids, PUBLIC)


class ScriptedSearch:
    """Finds what it was given, for the audience that asks; remembers the queries. ``now`` is who may read a document since
    then, by id; None when it is gone.
    """

    def __init__(self, *hits: Hit, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.hits = hits
        self.now: dict[str, Access | None] = {}
        self.error = error
        self.seconds = seconds
        self.queries: list[str] = []
        self.asked: list[Query] = []

    async def __call__(self, query: Query, audience: Audience, k: int) -> Retrieved:
        self.queries.append(query.text)
        self.asked.append(query)
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        readable = [item for item in self.hits if audience.may_read(item.chunk.access)]
        return Retrieved(hits=tuple(item for item in readable if not query.sources or item.chunk.source in query.sources)[:k])

    async def accesses(self, document_ids: Collection[str]) -> dict[str, Access]:
        known = {item.chunk.document_id: item.chunk.access for item in self.hits} | self.now
        return {id: access for id in document_ids if (access := known.get(id))}


async def hits_of(index: Index, text: str, audience: Audience, k: int = 10, sources: Sequence[str] = ()) -> list[Hit]:
    return list((await index.search(Query(text=text, sources=tuple(sources)), audience, k)).hits)


async def asked(
    assistant: object, message: Message, audience: Audience, config: ChannelConfig = DEFAULT
) -> tuple[list[str], Answer]:
    """The pieces that were streamed, and the answer that came last."""
    answering = assistant.answer(message, audience, config)  # type: ignore[attr-defined]
    parts: Sequence[str | Answer] = [part async for part in answering]
    *pieces, last = parts
    assert isinstance(last, Answer)
    assert all(isinstance(piece, str) for piece in pieces)
    return pieces, last
