"""A reranker changes the order of hits, and never stands in the way of an answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from core.answering.assistant import Assistant
from core.answering.memory import Memory
from core.answering.reranking import TEI, TOP, HostedReranker
from core.errors import ConfigError
from core.models import ANYONE, NOBODY
from tests.answering import LEAVE_HIT, TRAVEL_HIT, ScriptedSearch, asked, hit
from tests.emulators.reranker import RerankServer
from tests.fakes import message

QUESTION = "Who approves a trip above 1,000 euros?"
HITS = (LEAVE_HIT, TRAVEL_HIT)


@pytest.mark.parametrize("model", ["rerank-test", TEI])
async def test_the_chunk_that_answers_best_comes_first_with_the_best_place(model: str) -> None:
    async with RerankServer(tei=model == TEI) as server:
        reranker = HostedReranker(model, server.url, server.key)
        found = await reranker(QUESTION, HITS)
        await reranker.close()
    assert [(item.chunk.document_id, item.score) for item in found] == [("wiki:travel", 1.0), ("wiki:leave", 0.9)]
    ((asked, texts),) = server.asked
    assert asked == QUESTION
    assert texts == [LEAVE_HIT.chunk.indexed_text, TRAVEL_HIT.chunk.indexed_text]


async def test_the_best_are_read_again_and_the_others_stay_below_them() -> None:
    hits = [hit(f"wiki:{number}", f"Page {number}.", score=1 - number / 100) for number in range(TOP + 5)]
    async with RerankServer() as server:
        reranker = HostedReranker("rerank-test", server.url, server.key)
        found = await reranker("page 7", hits)
        await reranker.close()
    assert found[0].chunk.document_id == "wiki:7"
    assert found[TOP:] == hits[TOP:]
    assert [item.score for item in found] == [item.score for item in hits]
    assert len(server.asked[0][1]) == TOP


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 429},
        {"delay": 5.0},
        {"body": "nonsense"},
        {"body": {"results": [{"index": 0, "relevance_score": 1.0}]}},
        {"body": {"results": [{"index": 0, "relevance_score": 1.0}, {"index": 7, "relevance_score": 0.5}]}},
        {"body": [{"index": 0, "score": "NaN"}, {"index": 1, "score": 1.0}]},
        {"body": [{"index": float("inf"), "score": 1.0}]},
        {"body": {"results": None}},
        {"body": 5},
    ],
)
async def test_a_reranker_that_fails_or_is_slow_leaves_the_order_as_it_is(fault: dict[str, Any]) -> None:
    async with RerankServer() as server:
        vars(server).update(fault)
        reranker = HostedReranker("rerank-test", server.url, server.key, seconds=0.2)
        assert await reranker(QUESTION, HITS) == list(HITS)
        await reranker.close()


async def test_a_server_that_is_not_there_leaves_the_order_as_it_is() -> None:
    async with RerankServer() as server:
        pass
    reranker = HostedReranker("rerank-test", server.url)
    assert await reranker(QUESTION, HITS) == list(HITS)
    await reranker.close()


@pytest.mark.parametrize(("model", "key"), [("rerank-test", "wrong"), ("another", "rerank-emulator-key")])
async def test_a_refusal_says_which_settings_to_check(model: str, key: str) -> None:
    async with RerankServer() as server:
        reranker = HostedReranker(model, server.url, key)
        with pytest.raises(ConfigError, match="check FOOTNOTE_RERANKER, its URL and its key"):
            await reranker.scores(QUESTION, ["a", "b"])
        assert await reranker(QUESTION, HITS) == list(HITS)
        await reranker.close()


async def test_one_hit_is_not_sent_anywhere() -> None:
    reranker = HostedReranker("rerank-test", "http://127.0.0.1:9")
    assert await reranker(QUESTION, HITS[:1]) == [LEAVE_HIT]
    assert await reranker(QUESTION, ()) == []


async def test_an_answer_is_made_from_the_new_order_of_what_its_readers_may_read(redis: Redis) -> None:
    secret = hit("wiki:secret", "A trip above 1,000 euros.", access=NOBODY)
    search = ScriptedSearch(LEAVE_HIT, TRAVEL_HIT, secret)
    async with RerankServer() as server:
        reranker = HostedReranker("rerank-test", server.url, server.key)
        memory = Memory(redis, turns=10, ttl=timedelta(minutes=5), accesses=search.accesses)
        assistant = Assistant(search=search, accesses=search.accesses, model=None, memory=memory, rerank=reranker)
        _, answer = await asked(assistant, message(QUESTION), ANYONE)
        await reranker.close()
    assert [item.chunk.document_id for item in answer.hits] == ["wiki:travel", "wiki:leave"]
    assert secret.chunk.indexed_text not in server.asked[0][1]
