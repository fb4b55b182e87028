"""Turns of conversations, over a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.answering.history import ConversationHistory, to_messages
from core.answering.memory import Memory
from core.errors import TransientError
from core.models import ANYONE, NOBODY, PUBLIC, Access, Audience, Turn
from tests.answering import public
from tests.one_redis import redis_away

HR = Access(gates=(frozenset({"group:hr"}),))
HR_READER = Audience.of({"group:hr"})


def turn(
    question: str = "Leave?",
    *,
    by: str = "slack:ana",
    accesses: tuple[Access, ...] = (PUBLIC,),
    documents: tuple[str, ...] = ("wiki:leave",),
) -> Turn:
    return Turn(
        question=question,
        answer=f"Answer to {question} [1]",
        accesses=accesses,
        documents=documents,
        asked_by=by,
        asked_by_name=by.title(),
        at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    )


class Shelf:
    """Who may read documents now, by id; ``error`` is raised instead."""

    def __init__(self) -> None:
        self.documents: dict[str, Access] = {"wiki:leave": PUBLIC}
        self.error: Exception | None = None

    async def accesses(self, document_ids: Collection[str]) -> dict[str, Access]:
        if self.error:
            raise self.error
        return {id: self.documents[id] for id in document_ids if id in self.documents}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def memory(redis: Redis, shelf: Shelf) -> Memory:
    return Memory(redis, turns=3, ttl=timedelta(minutes=5), accesses=shelf.accesses)


@pytest.fixture
def lost() -> Memory:
    """A memory whose server is not there."""
    return Memory(redis_away(), turns=3, ttl=timedelta(minutes=5), accesses=public)


async def test_what_is_remembered_comes_back_as_it_was(memory: Memory) -> None:
    private = turn("Salary bands?", accesses=(HR, Access(gates=(frozenset({"group:a", "user:b"}), frozenset({"everyone"})))))
    await memory.add("c1", turn())
    await memory.add("c1", private)
    assert await memory.read("c1", Audience.of({"group:hr", "group:a"})) == [turn(), private]


async def test_conversations_do_not_mix(memory: Memory) -> None:
    await memory.add("c1", turn())
    assert await memory.read("c2", ANYONE) == []


async def test_only_the_last_turns_are_kept_and_a_silent_conversation_expires(memory: Memory, redis: Redis) -> None:
    for number in range(5):
        await memory.add("c1", turn(f"q{number}"))
    assert [item.question for item in await memory.read("c1", ANYONE)] == ["q2", "q3", "q4"]
    assert {0 < await redis.ttl(key) <= 300 or key.startswith(b"footnote:asked") for key in await redis.keys("*")} == {True}
    assert all([await redis.ttl(key) > 0 for key in await redis.keys("*")])


async def test_turns_added_at_the_same_time_are_all_kept(redis: Redis) -> None:
    memory = Memory(redis, turns=50, ttl=timedelta(minutes=5), accesses=public)
    await asyncio.gather(*(memory.add("c1", turn(f"q{number}")) for number in range(30)))
    assert {item.question for item in await memory.read("c1", ANYONE)} == {f"q{number}" for number in range(30)}


async def test_a_turn_is_replayed_only_to_those_who_may_read_all_that_it_was_made_from(memory: Memory) -> None:
    await memory.add("c1", turn("public"))
    await memory.add("c1", turn("mixed", accesses=(PUBLIC, HR)))
    await memory.add("c1", turn("unknown", accesses=(NOBODY,)))
    assert [item.question for item in await memory.read("c1", ANYONE)] == ["public"]
    assert [item.question for item in await memory.read("c1", HR_READER)] == ["public", "mixed"]
    assert [item.question for item in await memory.read("c1", Audience.of({"group:hr"}, {"user:guest"}))] == ["public"]


async def test_a_turn_is_replayed_only_while_all_that_it_was_made_from_is_there_for_every_reader(
    memory: Memory, shelf: Shelf
) -> None:
    shelf.documents |= {"wiki:travel": PUBLIC}
    await memory.add("c1", turn("one"))
    await memory.add("c1", turn("both", documents=("wiki:leave", "wiki:travel")))

    async def replayed(audience: Audience) -> list[str]:
        return [item.question for item in await memory.read("c1", audience)]

    assert await replayed(ANYONE) == ["one", "both"]
    shelf.documents["wiki:travel"] = HR
    assert await replayed(ANYONE) == ["one"]
    assert await replayed(Audience.of({"group:hr"}, ())) == ["one"]
    assert await replayed(HR_READER) == ["one", "both"]
    del shelf.documents["wiki:travel"]
    assert await replayed(HR_READER) == ["one"]


async def test_what_was_said_of_a_document_stays_with_those_who_might_read_it_then(memory: Memory, shelf: Shelf) -> None:
    shelf.documents["wiki:pay"] = HR
    await memory.add("c1", turn("pay", accesses=(HR,), documents=("wiki:pay",)))
    shelf.documents["wiki:pay"] = PUBLIC
    assert await memory.read("c1", ANYONE) == []
    assert [item.question for item in await memory.read("c1", HR_READER)] == ["pay"]


async def test_a_turn_that_does_not_name_its_documents_is_replayed_to_nobody(memory: Memory) -> None:
    """So are those that versions before stored; but an answer that was made from nothing is anybody's."""
    await memory.add("c1", turn("unnamed", documents=()))
    await memory.add("c1", turn("nothing found", accesses=(), documents=()))
    assert [item.question for item in await memory.read("c1", HR_READER)] == ["nothing found"]


@pytest.mark.parametrize("error", [TransientError("away"), TimeoutError()])
async def test_nothing_is_replayed_while_nobody_knows_who_may_read_it(memory: Memory, shelf: Shelf, error: Exception) -> None:
    await memory.add("c1", turn())
    shelf.error = error
    assert await memory.read("c1", ANYONE) == []


async def test_turns_can_be_exchanged_with_versions_that_know_no_documents(memory: Memory, redis: Redis) -> None:
    await memory.add("c1", turn())
    (new,) = await redis.lrange("footnote:turns:{c1}", 0, -1)
    stored = json.loads(new)
    assert stored.pop("documents") == ["wiki:leave"]
    assert (stored.pop("said_as"), stored.pop("people"), stored.pop("messages")) == ("", [], [])
    assert stored.keys() == {"question", "answer", "accesses", "asked_by", "asked_by_name", "at"}
    await redis.rpush("footnote:turns:{c1}", json.dumps(stored | {"accesses": [], "from_tomorrow": 1}))
    assert [item.documents for item in await memory.read("c1", ANYONE)] == [("wiki:leave",), ()]


async def test_forgetting_a_conversation_counts_its_turns_and_may_be_repeated(memory: Memory) -> None:
    await memory.add("c1", turn())
    await memory.add("c1", turn("More?"))
    await memory.add("c2", turn("Kept?"))
    assert await memory.forget("c1") == 2
    assert await memory.forget("c1") == 0
    assert await memory.read("c1", ANYONE) == []
    assert [item.question for item in await memory.read("c2", ANYONE)] == ["Kept?"]


async def test_forgetting_a_person_leaves_what_others_asked_in_the_same_conversations(memory: Memory, redis: Redis) -> None:
    await memory.add("c1", turn("a1", by="slack:ana"))
    await memory.add("c1", turn("b1", by="slack:ben"))
    await memory.add("c1", turn("a1", by="slack:ana"))
    await memory.add("c2", turn("a2", by="slack:ana"))
    assert await memory.forget_person("slack:ana") == 3
    assert await memory.forget_person("slack:ana") == 0
    assert [item.question for item in await memory.read("c1", ANYONE)] == ["b1"]
    assert b"slack:ana" not in b"".join(await redis.keys("*"))


async def test_where_a_person_asked_is_known_no_longer_than_the_conversations_live(memory: Memory, redis: Redis) -> None:
    await memory.add("old", turn())
    await memory.add("new", replace(turn(), at=turn().at + timedelta(days=2)))
    assert await redis.zrange("footnote:asked:{slack:ana}", 0, -1) == [b"new"]


async def test_an_unreadable_entry_is_skipped_and_logged_without_its_text(memory: Memory, redis: Redis) -> None:
    await memory.add("c1", turn("before"))
    await redis.rpush("footnote:turns:{c1}", b"{not json SECRET", b'{"lc": 1, "type": "constructor", "id": ["os", "system"]}')
    await memory.add("c1", turn("after"))
    with capture_logs() as logs:
        assert [item.question for item in await memory.read("c1", ANYONE)] == ["after"]
    assert {entry["event"] for entry in logs} == {"turn.skipped"}
    assert "SECRET" not in str(logs)


async def test_without_redis_nothing_is_remembered_and_nobody_waits_or_fails(lost: Memory) -> None:
    with capture_logs() as logs:
        started = time.perf_counter()
        for _ in range(20):
            await lost.add("c1", turn())
            assert await lost.read("c1", ANYONE) == []
        assert time.perf_counter() - started < 15
    assert [entry["event"] for entry in logs] == ["redis.went_away"]


async def test_without_redis_nobody_is_told_that_something_was_forgotten(lost: Memory) -> None:
    with pytest.raises(TransientError, match="not everything was deleted"):
        await lost.forget("c1")
    with pytest.raises(TransientError, match="not everything was deleted"):
        await lost.forget_person("slack:ana")


async def test_the_langchain_history_shows_one_audience_its_messages(memory: Memory) -> None:
    history = ConversationHistory(memory, "c1", ANYONE)
    await history.aadd_messages([*to_messages(turn("public")), *to_messages(turn("secret", accesses=(HR,)))])
    messages = await history.aget_messages()
    assert [(message.type, message.text) for message in messages] == [("human", "public"), ("ai", "Answer to public [1]")]
    assert messages[0].additional_kwargs["asked_by"] == "slack:ana"
    assert len(await ConversationHistory(memory, "c1", HR_READER).aget_messages()) == 4
    await history.aclear()
    assert await history.aget_messages() == []


async def test_an_answer_that_does_not_say_what_it_was_made_from_is_replayed_to_nobody(memory: Memory) -> None:
    question, answer = to_messages(turn())
    answer.additional_kwargs.clear()
    history = ConversationHistory(memory, "c1", HR_READER)
    await history.aadd_messages([question, answer])
    assert await history.aget_messages() == []
    with pytest.raises(ValueError, match="pairs"):
        await history.aadd_messages([question])


async def test_after_a_new_topic_nothing_that_was_said_before_is_read_and_it_lasts_as_long_as_the_conversation(
    memory: Memory, redis: Redis
) -> None:
    begun = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    await memory.add("c1", turn("Before?"))
    await memory.begin_anew("c1", begun)
    assert await memory.read("c1", ANYONE) == []
    await memory.add("c1", replace(turn("After?"), at=begun + timedelta(seconds=1)))
    assert [item.question for item in await memory.read("c1", ANYONE)] == ["After?"]
    assert await redis.ttl("footnote:turns:{c1}:anew") == await redis.ttl("footnote:turns:{c1}")
    assert await memory.forget("c1") == 2
    assert await redis.keys("footnote:turns:*") == []


async def test_what_a_person_asked_is_told_by_conversation_and_in_all(memory: Memory) -> None:
    await memory.add("c1", turn("a1", by="slack:ana"))
    await memory.add("c1", turn("b1", by="slack:ben"))
    await memory.add("c2", replace(turn("a0", by="slack:ana"), at=datetime(2026, 2, 1, tzinfo=UTC)))
    assert [item.question for item in await memory.asked("slack:ana")] == ["a0", "a1"]
    assert [item.question for item in await memory.asked("slack:ana", "c1")] == ["a1"]
    assert await memory.asked("slack:eve") == []
