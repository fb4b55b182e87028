"""Files that a conversation is about: read for it alone, never indexed, and forgotten with it.

They are in Redis, as long as the conversation's memory: the passages of each file under its id, and beside them the ids of a
conversation's files and of a person's. Who may read one is checked as for a document.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from redis.asyncio import Redis

from core.answering.terms import terms
from core.errors import TransientError
from core.models import Access, Audience, Chunk, Hit
from core.outage import Outage
from core.ports import Accesses, Embedder
from core.redis import text

MOST_CHARACTERS = 200_000
"""Of text that is kept of the files of one message: some hundred pages."""
SOURCE = "file"
_NAMESPACE = uuid.UUID("8a1c910c-6f74-4e65-2f3d-5b7e6f6f746e")
_COMPARED = 24
"""Passages, the best by their words, of which the meaning is compared."""
_FOUND = 6
_TIMEOUT = 2.0
_FORGETTING = 30.0


@dataclass(frozen=True, kw_only=True)
class Passage:
    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class AttachedFile:
    id: str
    title: str
    url: str
    """Where people open it."""
    access: Access
    at: datetime
    passages: tuple[Passage, ...]


_FILE: TypeAdapter[AttachedFile] = TypeAdapter(AttachedFile)


def file_id(message_id: str, number: int) -> str:
    """Of a message's file: the same when another process reads it once more."""
    return f"{SOURCE}:{uuid.uuid5(_NAMESPACE, f'{message_id} {number}').hex}"


class Attached:
    """All methods raise TransientError while Redis does not answer; what is searched is found without it to be nothing."""

    def __init__(self, redis: Redis, embedder: Embedder, ttl: timedelta) -> None:
        self._redis = redis
        self._embedder = embedder
        self._ttl = ttl
        self._outage = Outage("questions are answered without the files of their conversation", timeout=_TIMEOUT)

    async def keep(self, conversation_id: str, user: str, files: Sequence[AttachedFile]) -> None:
        """From now on the conversation can be answered from these files of ``user``."""

        async def write() -> None:
            async with self._redis.pipeline(transaction=False) as pipeline:
                # The sets first: they may name a file too many, never one too few.
                for key in (_of_conversation(conversation_id), _of_person(user)):
                    pipeline.sadd(key, *(file.id for file in files))
                    pipeline.expire(key, self._ttl + timedelta(days=1))
                for file in files:
                    pipeline.set(_key(file.id), _FILE.dump_json(file), ex=self._ttl)
                await pipeline.execute()

        await self._outage.reach(write)

    async def search(self, conversation_id: str, query: str, audience: Audience) -> list[Hit]:
        """The best passages of the conversation's files that every reader may read, best first; scores from 0 to 1."""
        try:
            files = await self._outage.reach(lambda: self._of(_of_conversation(conversation_id)))
        except TransientError:
            return []
        chunks = [chunk for file in files if audience.may_read(file.access) for chunk in _chunks(file)]
        scored = _by_words(query, chunks)[:_COMPARED]
        if not scored:
            return []
        asked = await self._embedder.embed_query(query)
        vectors = await self._embedder.embed_documents([chunk.indexed_text for chunk, _ in scored])
        best = max(words for _, words in scored) or 1.0
        hits = [
            Hit(chunk=chunk, score=(words / best + sum(map(float.__mul__, asked, vector))) / 2)
            for (chunk, words), vector in zip(scored, vectors, strict=True)
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:_FOUND]

    def beside(self, accesses: Accesses) -> Accesses:
        """Who may read documents, these files among them."""

        async def of(ids: Collection[str]) -> Mapping[str, Access]:
            own = {id for id in ids if id.startswith(f"{SOURCE}:")}
            known = await accesses(set(ids) - own) if len(own) < len(set(ids)) else {}
            if not own:
                return known
            files = await self._outage.reach(lambda: self._read(sorted(own)))
            return {**known, **{file.id: file.access for file in files}}

        return of

    async def forget(self, conversation_id: str) -> int:
        """Delete the files of a conversation: how many."""
        return await self._outage.reach(lambda: self._delete(_of_conversation(conversation_id)), timeout=_FORGETTING)

    async def forget_person(self, user: str) -> int:
        """Delete the files that a person asked about: how many."""
        return await self._outage.reach(lambda: self._delete(_of_person(user)), timeout=_FORGETTING)

    async def _of(self, key: str) -> list[AttachedFile]:
        return await self._read(await self._members(key))

    async def _members(self, key: str) -> list[str]:
        members: set[bytes | str] = await self._redis.smembers(key)
        return sorted(map(text, members))

    async def _read(self, ids: Sequence[str]) -> list[AttachedFile]:
        # One by one: in a cluster they are not in one place.
        found = [await self._redis.get(_key(id)) for id in ids]
        return [_FILE.validate_json(raw) for raw in found if raw]

    async def _delete(self, key: str) -> int:
        deleted = [int(await self._redis.delete(_key(id))) for id in await self._members(key)]
        await self._redis.delete(key)
        return sum(deleted)


def scaled(attached: Sequence[Hit], hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Both as one result: the best passage of a file that somebody asks about counts as much as the best of the index."""
    if not attached:
        return tuple(hits)
    top = max((hit.score for hit in hits), default=1.0)
    own = max(hit.score for hit in attached) or 1.0
    return (*(replace(hit, score=hit.score / own * top) for hit in attached), *hits)


def _chunks(file: AttachedFile) -> list[Chunk]:
    return [
        Chunk(
            document_id=file.id,
            position=position,
            source=SOURCE,
            title=file.title,
            url=file.url,
            headings=passage.headings,
            text=passage.text,
            updated_at=file.at,
            access=file.access,
        )
        for position, passage in enumerate(file.passages)
    ]


def _by_words(query: str, chunks: Sequence[Chunk]) -> list[tuple[Chunk, float]]:
    """By the words that they share with the query, rare ones counting more; those that share none last, in their order."""
    wanted = set(terms(query))
    held = [wanted.intersection(terms(chunk.indexed_text)) for chunk in chunks]
    common = Counter(term for found in held for term in found)
    scored = [(chunk, sum(1 / common[term] ** 0.5 for term in found)) for chunk, found in zip(chunks, held, strict=True)]
    return sorted(scored, key=lambda item: -item[1])


def _key(id: str) -> str:
    return f"footnote:attached:{id}"


def _of_conversation(conversation_id: str) -> str:
    return f"footnote:attached-to:{{{conversation_id}}}"


def _of_person(user: str) -> str:
    return f"footnote:attached-by:{{{user}}}"
