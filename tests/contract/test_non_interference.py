"""What somebody may not read changes nothing for them: neither a word of an answer nor the order of what is found.

Filtering alone does not give that. A search that counts the rarity of words among all documents ranks by hidden ones, too:
whoever may write pages could put two of them beside each other and read from their order which of two words the board's
pages hold more often. So rarity is counted among what the audience may read.

Exact as far as the search is: a Qdrant server looks for meaning in a graph of all points of a large collection, which finds
nearly always what is nearest, and from 1.19 on it counts rarity as asked, per shard. An access class that another process
wrote counts from five seconds later on, for everybody. How long an answer takes is not compared here.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis

from bots.redis import connect_redis
from core.answering.assistant import Assistant
from core.answering.memory import Memory
from core.answering.model import build_model
from core.embedded.keeper import Engines
from core.indexing.index import Index
from core.models import NOBODY, PUBLIC, Access, Answer, AnswerMode, Audience
from core.settings import Settings
from tests.answering import asked
from tests.contract.pages import BOB, EMBEDDER, ENG, Pair, document
from tests.emulators.openai import OpenAIServer, Request, Says
from tests.fakes import message

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Payload indexes have no effect")]

BOARD = Access(gates=(frozenset({"group:confluence:board"}),))
BOB_AND_A_GUEST = Audience.of(BOB, ())

VISIBLE = [
    document("leave", "Everybody has thirty days of paid vacation in a year. Requests go through the portal."),
    document("sick leave", "Who is ill reports it before ten. A note of the doctor is due on the fourth day."),
    document("parents", "Parents take up to fourteen months of leave; the pay for it comes from the state."),
    document("travel", "Trips are booked at the travel desk. A trip above 1,000 euros needs the approval of a manager."),
    document("expenses", "Expenses are paid within ten days. Receipts go to the portal, not to the travel desk."),
    document("printer", "The printer stands on the third floor. Its toner is in the cupboard beside the kitchen."),
    document("badge", "A lost badge is reported to the front desk, which gives out a new one for five euros."),
    document("falcon", "Falcon is on the roadmap.", ENG),
    document("zebra", "Zebra is on the roadmap.", ENG),
    document("release", "A release needs two approvals. The budget of a release is reviewed every spring.", ENG),
    document("on call", "Who is on call is paid for the night. The rota is reviewed every month.", ENG),
]
QUESTIONS = [
    "Falcon or zebra?",
    "Who approves a trip, and who approves the budget?",
    "How many days of leave are paid in a year?",
    "When is the acquisition of Globex announced?",
    "travel desk",
    "Is the budget for layoffs reviewed?",
]


def probes() -> dict[str, list[Pair]]:
    """Hidden documents, by what they are meant to upset."""
    dice = random.Random(4)
    words = sorted({word for made, _ in VISIBLE for word in re.findall(r"\w+", str(made.body))})
    noise = [" ".join(dice.choices(words, k=40)) for _ in range(40)]
    return {
        "one page about what is asked": [document("merger", "The acquisition of Globex is announced on 4 May.", BOARD)],
        "a rare word made common": [document(f"falcon {n}", f"Falcon {n}: layoffs.", BOARD) for n in range(60)],
        "common words made rare": [document(f"other {n}", f"Quark {n} xyzzy.", BOARD) for n in range(60)],
        "the same words in another mixture": [document(f"mix {n}", text, BOARD) for n, text in enumerate(noise)],
        "copies of what is visible": [
            document(f"copy of {number}", str(made.body), BOARD) for number, (made, _) in enumerate(VISIBLE * 4)
        ],
    }


@dataclass(frozen=True)
class Seen:
    """All of an answer that reaches a person, and what the model was told."""

    text: str
    notice: str
    citations: tuple[object, ...]
    mode: AnswerMode
    order: tuple[str, ...]
    prompts: tuple[str, ...]


def echo(request: Request) -> str:
    """All sources as they stand in the prompt, as one statement about the first."""
    return f"{' '.join(re.findall(r'title=.*?>(.*?)</source', request.messages[-1][1], re.DOTALL))} [1]"


def without_fence(prompt: str) -> str:
    """It is drawn anew for each question."""
    fence = re.search(r"carry the word (\w+)", prompt)
    return prompt.replace(fence[1], "fence") if fence else prompt


class Desk:
    """Asks every question of the index, of a model and without one."""

    def __init__(self, redis: Redis, server: OpenAIServer) -> None:
        self._redis = redis
        self._server = server
        settings = Settings(_env_file=None, openai_base_url=server.url, openai_api_key=server.key)
        self._models = (build_model(settings), None)

    async def answers(self, index: Index, audience: Audience) -> list[Seen]:
        seen = []
        for model in self._models:
            memory = Memory(self._redis, turns=1, ttl=timedelta(minutes=1), accesses=index.accesses)
            assistant = Assistant(search=index.search, accesses=index.accesses, model=model, memory=memory)
            for number, question in enumerate(QUESTIONS):
                self._server.script(Says(text=echo))
                self._server.requests.clear()
                await memory.forget(f"c{number}")
                _, answer = await asked(assistant, message(question, conversation_id=f"c{number}"), audience)
                seen.append(self._seen(answer))
        return seen

    def _seen(self, answer: Answer) -> Seen:
        return Seen(
            text=answer.text,
            notice=answer.remarks,
            citations=answer.citations,
            mode=answer.mode,
            order=tuple(hit.chunk.id for hit in answer.hits),
            prompts=tuple(without_fence(request.prompt) for request in self._server.requests),
        )


@pytest.fixture
async def desk(shared_engines: Engines) -> AsyncIterator[Desk]:
    redis = connect_redis(None, shared_engines.redis_socket)
    async with OpenAIServer() as server:
        yield Desk(redis, server)
    await redis.aclose()


async def opened(client: AsyncQdrantClient, name: str, pairs: Sequence[Pair]) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    await index.upsert(pairs)
    return index


@pytest.mark.parametrize("audience", [Audience.of(BOB), BOB_AND_A_GUEST], ids=["Bob", "Bob and a guest"])
async def test_answers_are_the_same_whatever_there_is_that_their_readers_may_not_see(client, name, desk, audience):
    index = await opened(client, name, VISIBLE)
    expected = await desk.answers(index, audience)
    assert {seen.mode for seen in expected} == {*AnswerMode}
    for what, hidden in probes().items():
        await index.upsert(hidden)
        assert await desk.answers(Index(client, EMBEDDER, name), audience) == expected, what
        await index.remove([made.id for made, _ in hidden])


async def test_answers_are_the_same_whatever_becomes_of_a_document_that_is_hidden(client, name, desk):
    index = await opened(client, name, VISIBLE)
    expected = await desk.answers(index, Audience.of(BOB))
    changes = [
        document("secret", "Falcon zebra budget layoffs.", BOARD),
        document("secret", "The acquisition of Globex. " * 300, BOARD),
        document("secret", "The acquisition of Globex. " * 300, NOBODY),
        document("secret", str(VISIBLE[0][0].body), Access(gates=(*ENG.gates, *BOARD.gates))),
    ]
    for change in changes:
        await index.upsert([change])
        assert await desk.answers(index, Audience.of(BOB)) == expected
    made, _ = changes[-1]
    await index.set_access(made.id, ENG, made.content_hash)
    assert await desk.answers(index, Audience.of(BOB)) != expected, "what is shown does count"
    await index.set_access(made.id, BOARD, made.content_hash)
    assert await desk.answers(index, Audience.of(BOB)) == expected


async def test_who_may_read_all_is_answered_as_if_nobody_else_were_there(client, name, desk):
    """The other way round: what is restricted is found by its readers as it would be were it all public."""
    restricted = [document(str(made.id).partition(":")[2], str(made.body), BOARD) for made, _ in VISIBLE]
    index = await opened(client, name, restricted)
    found = [seen.order for seen in await desk.answers(index, Audience.of(("group:confluence:board",)))]
    for made, _ in restricted:
        await index.set_access(made.id, PUBLIC, made.content_hash)
    assert [seen.order for seen in await desk.answers(index, Audience.of(()))] == found
