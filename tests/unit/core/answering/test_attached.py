"""Files that a conversation is about: found in it alone, by those who may read them, until it is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from core.answering.attached import Attached, AttachedFile, Passage, file_id, scaled
from core.errors import TransientError
from core.models import PUBLIC, Access, Audience, Hit
from tests.fakes import NOON
from tests.memory_index import WordEmbedder
from tests.one_redis import redis_away

GENERAL = "channel:slack:C1"
THREAD = "slack:T1:C1:1"
ANA = "slack:U1"
INSIDE = Audience.of({GENERAL, "user:ana@acme.com"}, {GENERAL})


def a_file(*texts: str, readers: str = GENERAL, title: str = "Travel") -> AttachedFile:
    return AttachedFile(
        id=file_id(title, hash(texts)),
        title=title,
        url="https://acme.slack.com/files/F1",
        access=Access(gates=(frozenset({readers}),)),
        at=NOON,
        passages=tuple(Passage(headings=("Allowances",), text=text) for text in texts),
    )


@pytest.fixture
def attached(redis: Redis) -> Attached:
    return Attached(redis, WordEmbedder(), timedelta(hours=1))


async def found(attached: Attached, query: str, conversation: str = THREAD, audience: Audience = INSIDE) -> list[str]:
    return [hit.chunk.text for hit in await attached.search(conversation, query, audience)]


async def test_the_passages_that_fit_a_question_come_first(attached):
    noise = [f"Line {number} about invoices." for number in range(40)]
    await attached.keep(THREAD, ANA, [a_file(*noise, "A night in Oslo costs 190 euros."), a_file("Kites fly in May.")])
    texts = await found(attached, "What does a night in Oslo cost?")
    assert texts[0] == "A night in Oslo costs 190 euros."
    assert len(texts) == 6
    [best, *_] = await attached.search(THREAD, "kites", INSIDE)
    assert (best.chunk.title, best.chunk.url) == ("Travel", "https://acme.slack.com/files/F1")
    assert best.chunk.headings == ("Allowances",)


async def test_another_conversation_and_who_may_not_read_them_find_nothing(attached):
    await attached.keep(THREAD, ANA, [a_file("A night in Oslo costs 190 euros.")])
    assert await found(attached, "Oslo", conversation="slack:T1:C1:2") == []
    assert await found(attached, "Oslo", audience=Audience.of({GENERAL}, {"channel:slack:C2"})) == []


async def test_who_may_read_a_file_is_told_beside_the_documents_of_the_index(attached):
    file = a_file("Oslo")
    await attached.keep(THREAD, ANA, [file])
    asked: list[set[str]] = []

    async def index(ids):
        asked.append(set(ids))
        return {"folder:a": PUBLIC}

    accesses = attached.beside(index)
    assert await accesses([file.id, "folder:a", "file:gone"]) == {"folder:a": PUBLIC, file.id: file.access}
    assert await accesses(["folder:a"]) == {"folder:a": PUBLIC}
    assert await accesses([file.id]) == {file.id: file.access}
    assert asked == [{"folder:a"}, {"folder:a"}]


async def test_what_is_forgotten_is_found_by_nobody(attached, redis):
    mine, theirs = a_file("Oslo one"), a_file("Oslo two")
    await attached.keep(THREAD, ANA, [mine])
    await attached.keep(THREAD, "slack:U2", [theirs])
    assert await attached.forget_person(ANA) == 1
    assert await found(attached, "Oslo") == ["Oslo two"]
    assert await attached.forget(THREAD) == 1
    assert await found(attached, "Oslo") == []
    assert [key async for key in redis.scan_iter(match="footnote:attached:*")] == []


async def test_they_end_with_the_memory_of_the_conversation(redis):
    attached = Attached(redis, WordEmbedder(), timedelta(seconds=60))
    file = a_file("Oslo")
    await attached.keep(THREAD, ANA, [file])
    assert 0 < await redis.ttl(f"footnote:attached:{file.id}") <= 60


async def test_without_redis_a_question_is_answered_without_its_files_and_nothing_is_said_to_be_kept():
    away = redis_away()
    attached = Attached(away, WordEmbedder(), timedelta(hours=1))
    assert await found(attached, "Oslo") == []
    with pytest.raises(TransientError):
        await attached.keep(THREAD, ANA, [a_file("Oslo")])
    await away.aclose()


def test_the_best_passage_of_a_file_counts_as_much_as_the_best_of_the_index() -> None:
    chunk = None
    index = [Hit(chunk=chunk, score=0.5), Hit(chunk=chunk, score=0.4)]
    own = [Hit(chunk=chunk, score=0.8), Hit(chunk=chunk, score=0.4)]
    assert [hit.score for hit in scaled(own, index)] == [0.5, 0.25, 0.5, 0.4]
    assert scaled([], index) == tuple(index)
    assert [hit.score for hit in scaled(own, [])] == [1.0, 0.5]
