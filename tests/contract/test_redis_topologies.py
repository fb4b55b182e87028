"""Everything that Footnote keeps in Redis, over real servers in every set-up that REDIS_URL can name."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bots.desk import AnswerDesk
from bots.pending import Pending, Question
from bots.redis import connect_redis
from bots.slack.events import EventsEndpoint
from bots.slack.threads import SlackThreads
from core.answering.gate import Gate
from core.answering.memory import Memory
from core.channels import ChannelConfig, Channels
from core.errors import UserError
from core.evaluation.feedback import Answered, FeedbackLog
from core.evaluation.gaps import Gaps, Miss
from core.groups import SourceGroups
from core.indexing.jobs import Jobs, Worker
from core.indexing.jobs.ledger import ClaimLedger
from core.indexing.jobs.worker import LOOK_SECONDS
from core.indexing.ledger import Row
from core.indexing.sync import Syncer
from core.limits import RedisLimiter
from core.models import ANYONE, PUBLIC, Audience, Feedback, Reason, SyncRequest, SyncStatus, Turn
from tests.answering import public
from tests.fakes import answer, message
from tests.memory_index import LineParser, MemoryIndex, WordEmbedder
from tests.redis_servers import SETUPS
from tests.sources import NOON, MemorySource, document


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SETUPS)
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="fn-") as folder:
        async with SETUPS[request.param](Path(folder)) as url:
            yield url


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    redis = connect_redis(url)
    await redis.flushall()
    yield redis
    await redis.aclose()


def turn(question: str, by: str = "slack:ana") -> Turn:
    return Turn(
        question=question,
        answer="Thirty [1].",
        accesses=(PUBLIC,),
        documents=("wiki:leave",),
        asked_by=by,
        asked_by_name="Ana",
        at=datetime.now(UTC),
    )


async def test_a_conversation_is_remembered_shortened_and_forgotten(redis: Redis) -> None:
    memory = Memory(redis, turns=2, ttl=timedelta(minutes=5), accesses=public)
    for question in ("one", "two", "three"):
        await memory.add("slack:T1:C1:1.0", turn(question))
    await memory.add("discord:2", turn("four"))
    await memory.add("discord:2", turn("five", by="slack:bo"))
    assert [item.question for item in await memory.read("slack:T1:C1:1.0", ANYONE)] == ["two", "three"]
    assert await memory.forget_person("slack:ana") == 3
    assert [item.question for item in await memory.read("discord:2", ANYONE)] == ["five"]
    assert await memory.forget("discord:2") == 1
    assert await memory.read("discord:2", ANYONE) == []


async def test_a_message_is_claimed_by_one_process_under_all_its_names(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    here, there = Gate(redis, rate_limit=5), Gate(elsewhere, rate_limit=5)
    said = message(id="slack:T1:C1:1.0", aliases=("event:Ev1", "client:b1c2"))
    assert sorted(await asyncio.gather(here.claim(said), there.claim(said))) == [False, True]
    assert not await there.claim(message(id="client:b1c2"))
    other = replace(said, id="slack:T1:C1:2.0", aliases=("event:Ev2",))
    assert await here.claim(other)
    await here.release(other)
    assert await there.claim(other)
    await elsewhere.aclose()


async def test_a_question_is_kept_taken_over_tried_again_and_dropped(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    here, there = Pending(redis, lease=0.0), Pending(elsewhere, lease=3600)
    for number in range(3):
        asked = message(id=f"m{number}", user=f"slack:{number}")
        held = await here.begin(Question(message=asked, place={"channel": "C1"}))
        assert held is not None
        await held.note(stream="17.2")
        assert await there.begin(Question(message=asked)) is None
    found = await there.left_behind("test")
    assert [left.question.place for left in found] == [{"channel": "C1", "stream": "17.2"}] * 3
    assert await here.left_behind("test") == []
    answered, broken, _ = (left.held for left in sorted(found, key=lambda left: left.question.message.id))
    await answered.resolved()
    await broken.failed()
    assert await here.again("test", "m1", "slack:1")
    assert [left.question.message.id for left in await here.left_behind("test")] == ["m1"]
    assert await here.forget_person("slack:2") == 1
    assert await here.forget_person("slack:0") == 0
    await elsewhere.aclose()


async def test_a_topic_begins_anew_and_a_persons_questions_are_told(redis: Redis) -> None:
    memory = Memory(redis, turns=5, ttl=timedelta(minutes=5), accesses=public)
    await memory.add("slack:T1:C1:1.0", turn("one"))
    await memory.begin_anew("slack:T1:C1:1.0", datetime.now(UTC))
    await memory.add("slack:T1:C1:1.0", turn("two"))
    assert [item.question for item in await memory.read("slack:T1:C1:1.0", ANYONE)] == ["two"]
    assert [item.question for item in await memory.asked("slack:ana")] == ["one", "two"]
    assert await memory.forget("slack:T1:C1:1.0") == 2


async def test_a_channels_settings_are_kept(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    await Channels(redis).change("slack", "C1", ChannelConfig(private=True))
    assert await Channels(elsewhere).of("slack", "C1") == ChannelConfig(private=True)
    await elsewhere.aclose()


async def test_questions_of_a_person_are_counted_over_all_processes(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    gates = Gate(redis, rate_limit=3), Gate(elsewhere, rate_limit=3)
    for number in range(3):
        await gates[number % 2].admit(message())
    for gate in gates:
        with pytest.raises(UserError, match="limit"):
            await gate.admit(message())
    await elsewhere.aclose()


def request(id: str = "r1") -> SyncRequest:
    return SyncRequest(id=id, source="pages", requested_by="slack:ana", at=NOON)


async def test_a_worker_is_woken_by_a_request_from_another_process_that_follows_it_to_its_end(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    pages = MemorySource()
    pages.put(document("pages:a"))
    worker = asyncio.create_task(Worker(Jobs(redis), {"pages": pages}, Syncer(MemoryIndex(), LineParser(), WordEmbedder())).run())
    await asyncio.sleep(0.5)
    asked = Jobs(elsewhere)
    began = time.monotonic()
    for number in range(5):
        one = request(f"r{number}")
        assert (await asked.submit(one)).accepted
        seen = [state async for state in asked.follow(one)]
        indexed = 1 if number == 0 else 0
        assert (seen[-1].status, seen[-1].report.indexed, seen[-1].error) == (SyncStatus.DONE, indexed, None)
    assert time.monotonic() - began < 5 * 0.8 * LOOK_SECONDS, "nobody was woken, the worker merely looked"
    assert list(await asked.states()) == ["pages"]
    assert not worker.done()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await elsewhere.aclose()


async def test_the_request_of_a_worker_that_died_is_taken_over_where_it_was(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    jobs, others = Jobs(redis, ttl=3.0), Jobs(elsewhere)
    await jobs.submit(request())
    dead = await jobs.claim("pages")
    assert dead is not None
    ledger = ClaimLedger(dead, dead.state)
    await ledger.keep("half", {"pages:a": Row(reason="it is damaged", attempts=1)})
    await ledger.groups({"group:pages:eng": frozenset({"user:ana@acme.com"})})
    assert await others.claim("pages") is None
    async with asyncio.timeout(60):
        while not (alive := await others.claim("pages")):
            await asyncio.sleep(0.05)
    assert (alive.takeovers, alive.state.cursor) == (1, "half")
    assert await others.rows("pages") == {"pages:a": Row(reason="it is damaged", attempts=1)}
    known = await SourceGroups(elsewhere, ["pages"]).read()
    assert known.groups == {"group:pages:eng": {"user:ana@acme.com"}}
    await alive.finish(replace(alive.state, status=SyncStatus.DONE))
    assert [state.status async for state in jobs.follow(request())] == [SyncStatus.DONE]
    await elsewhere.aclose()


async def test_a_pace_is_shared_by_every_process(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    await RedisLimiter(redis, "confluence").pause(1.0)
    began = time.monotonic()
    await RedisLimiter(elsewhere, "confluence").acquire()
    assert time.monotonic() - began >= 0.9
    await elsewhere.aclose()


async def test_slack_threads_are_known_to_every_process(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    await SlackThreads(redis, "T1", timedelta(minutes=5)).join("C1", "1.0")
    there = SlackThreads(elsewhere, "T1", timedelta(minutes=5))
    assert await there.joined("C1", "1.0")
    assert not await there.joined("C1", "2.0")
    await elsewhere.aclose()


async def test_a_request_of_slack_is_accepted_once_however_many_processes_hear_it(redis: Redis, url: str) -> None:
    elsewhere = connect_redis(url)
    async with _endpoint(redis) as here, _endpoint(elsewhere) as there:
        stamp, body = str(int(time.time())), '{"type": "event_callback", "event": {"type": "message"}}'
        digest = hmac.new(b"secret", f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": "application/json"}
        first = await here.post("/slack/events", data=body, headers=signed)
        again = await there.post("/slack/events", data=body, headers=signed)
        assert first.status != 401
        assert (again.status, "received before" in await again.text()) == (401, True)
    await elsewhere.aclose()


def _endpoint(redis: Redis) -> TestClient[web.Request, web.Application]:
    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T1", bot_user_id="U0", bot_id="B0", bot_token="xoxb-1")

    app = web.Application()
    bolt = AsyncApp(signing_secret="secret", authorize=authorize)
    app.router.add_post("/slack/events", EventsEndpoint(bolt, "secret", redis))
    return TestClient(TestServer(app))


async def nothing(_audience: Audience) -> list[str]:
    return []


async def test_an_answer_is_kept_rated_and_missed_and_its_person_is_forgotten(redis: Redis) -> None:
    desk, log, gaps = AnswerDesk(redis, nothing), FeedbackLog(redis, most=2), Gaps(redis, WordEmbedder(), near=0.8, most=2)
    for minutes, (id, question) in enumerate((("a1", "ab"), ("a2", "cd"), ("a3", "ef"))):
        at = NOON + timedelta(minutes=minutes)
        await desk.answered(message(question, user="slack:ANA"), answer(id=id, question=question))
        answered = await desk.rated(id)
        assert isinstance(answered, Answered)
        await log.note(Feedback(answer_id=id, user="slack:BOB", good=False, at=at, reason=Reason.MISSING), answered)
        await gaps.note(Miss(answered=answered, user="slack:BOB", at=at, reason=Reason.MISSING))
    last = await desk.last_in("test:thread")
    assert last is not None
    assert last.id == "a3"
    assert len([rating async for rating in log.ratings()]) == 2
    assert len(await gaps.gaps()) == 2
    await gaps.withdraw("a3", "slack:BOB")
    assert len(await gaps.gaps()) == 1
    assert await desk.forget_person("slack:ANA") == 3
    assert await log.forget_person("slack:ANA") == 2
    assert await gaps.forget_person("slack:ANA") == 1
    assert await gaps.gaps() == []
