"""Groups from a sync to a question, over a real server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bots.redis import connect_redis
from core.embedded.keeper import Engines
from core.groups import HOLD_SECONDS, UNKNOWN, SourceGroups, groups_key
from core.indexing.index import Index
from core.indexing.jobs import ClaimLost, Jobs
from core.indexing.jobs.ledger import ClaimLedger
from core.indexing.qdrant import connect
from core.models import Audience, SyncRequest
from core.principals import expand
from tests.contract.pages import EMBEDDER, LEAVE, PAY, found
from tests.sources import NOON

ENG, ACCOUNT, ANA = "group:wiki:eng", "account:wiki:5b1", "user:ana@acme.com"


class Timer:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


def at_noon() -> datetime:
    return NOON


async def a_sync(redis: Redis, source: str = "wiki", *, at=NOON, ttl: float = 30.0) -> ClaimLedger:
    """The ledger of a running sync of this source, with ``at`` on its clock."""
    jobs = Jobs(redis, ttl=ttl)
    await jobs.submit(SyncRequest(id="r1", source=source, requested_by="cli", at=NOON))
    claim = await jobs.claim(source)
    return ClaimLedger(claim, claim.state, clock=lambda: at)


async def test_what_a_sync_tells_decides_what_a_person_holds(redis: Redis):
    await (await a_sync(redis)).groups({ENG: frozenset({ACCOUNT}), ACCOUNT: frozenset({ANA}), "group:wiki:none": frozenset()})
    known = await SourceGroups(redis, ["wiki"], clock=at_noon).read()
    assert known.told_at == {"wiki": NOON}
    assert expand({ANA}, known.groups) >= {ENG, ACCOUNT}
    assert ENG not in expand({"user:eve@acme.com"}, known.groups)
    assert known.groups["group:wiki:none"] == frozenset()


async def test_it_replaces_what_was_told_before(redis: Redis, timer: Timer):
    ledger = await a_sync(redis)
    reader = SourceGroups(redis, ["wiki"], clock=at_noon, timer=timer)
    await ledger.groups({ENG: frozenset({ANA}), "group:wiki:old": frozenset({ANA})})
    await reader.read()
    await ledger.groups({ENG: frozenset()})
    timer.now += HOLD_SECONDS
    assert (await reader.read()).groups == {ENG: frozenset()}
    await ledger.groups({})
    timer.now += HOLD_SECONDS
    known = await reader.read()
    assert (known.groups, known.told_at) == ({}, {"wiki": NOON}), "nobody is in a group, and that is known"


async def test_sources_are_read_together(redis: Redis):
    await (await a_sync(redis, "wiki")).groups({ENG: frozenset({ANA})})
    await (await a_sync(redis, "drive", at=NOON + timedelta(hours=1))).groups({"group:drive:all": frozenset({ANA})})
    known = await SourceGroups(redis, ["wiki", "drive", "never"], clock=at_noon).read()
    assert set(known.groups) == {ENG, "group:drive:all"}
    assert known.told_at == {"wiki": NOON, "drive": NOON + timedelta(hours=1)}


async def test_groups_of_ten_thousand_members_come_through_whole(redis: Redis):
    people = {f"user:person{number}@acme.com" for number in range(10_000)}
    accounts = {f"account:wiki:{number}": frozenset({f"user:person{number}@acme.com"}) for number in range(10_000)}
    await (await a_sync(redis)).groups(accounts | {ENG: frozenset(people)})
    known = await SourceGroups(redis, ["wiki"], clock=at_noon).read()
    assert known.groups == accounts | {ENG: frozenset(people)}


async def test_of_a_source_half_written_nothing_is_seen(redis: Redis):
    ledger = await a_sync(redis, ttl=0.5)
    await ledger.groups({ENG: frozenset({ANA})})
    # As a worker leaves it that died between two pieces.
    await redis.hset(f"{groups_key('wiki')}:next", mapping={"group:wiki:torn": '["user:eve@acme.com"]'})
    assert set((await SourceGroups(redis, ["wiki"], clock=at_noon).read()).groups) == {ENG}
    ledger._claim._valid_until += 60
    await ledger.groups({ENG: frozenset()})
    assert set((await SourceGroups(redis, ["wiki"], clock=at_noon).read()).groups) == {ENG}, "what it left is gone"


async def test_a_worker_that_lost_its_claim_changes_nothing(redis: Redis):
    ledger = await a_sync(redis)
    await ledger.groups({ENG: frozenset()})
    await redis.hset("footnote:sync:{wiki}", "owner", "2:another")
    with pytest.raises(ClaimLost):
        await ledger.groups({ENG: frozenset({"user:eve@acme.com"})})
    assert (await SourceGroups(redis, ["wiki"], clock=at_noon).read()).groups == {ENG: frozenset()}


async def test_what_was_read_is_used_for_some_seconds(redis: Redis, timer: Timer):
    reader = SourceGroups(redis, ["wiki"], clock=at_noon, timer=timer)
    ledger = await a_sync(redis)
    await ledger.groups({ENG: frozenset({ANA})})
    first = await reader.read()
    await ledger.groups({})
    timer.now += HOLD_SECONDS - 0.1
    assert await reader.read() is first
    timer.now += 0.2
    assert (await reader.read()).groups == {}


async def test_groups_of_which_a_source_tells_nothing_for_hours_count_no_more_until_it_does(redis: Redis, timer: Timer):
    at = NOON
    reader = SourceGroups(redis, ["wiki", "drive"], clock=lambda: at, timer=timer)
    await (await a_sync(redis, "drive", at=NOON + timedelta(hours=5))).groups({"group:drive:all": frozenset({ANA})})
    ledger = await a_sync(redis)
    await ledger.groups({ENG: frozenset({ANA}), "group:drive:all": frozenset({"user:bob@acme.com"})})

    async def read_at(hours: float) -> Mapping[str, frozenset[str]]:
        nonlocal at
        at = NOON + timedelta(hours=hours)
        timer.now += HOLD_SECONDS
        return (await reader.read()).groups

    with capture_logs() as logs:
        assert set(await read_at(6)) == {ENG, "group:drive:all"}
        assert logs == []
        for hours in (6.1, 7):
            assert await read_at(hours) == {"group:drive:all": {ANA}}, "of two sources that tell of a group, one is stale"
        ledger._clock = lambda: at
        await ledger.groups({ENG: frozenset({ANA})})
        assert set(await read_at(7.1)) == {ENG, "group:drive:all"}
    assert [(entry["event"], entry["source"]) for entry in logs] == [("groups.expired", "wiki"), ("groups.renewed", "wiki")]


async def test_where_syncs_are_days_apart_groups_count_for_three_of_them(redis: Redis):
    await (await a_sync(redis)).groups({ENG: frozenset({ANA})})
    for days, known in ((2.9, {ENG: {ANA}}), (3.1, {})):
        reader = SourceGroups(redis, ["wiki"], timedelta(days=1), clock=lambda days=days: NOON + timedelta(days=days))
        assert (await reader.read()).groups == known


async def test_nobody_is_in_any_group_after_redis_was_wiped_until_the_next_sync_tells(redis: Redis, timer: Timer):
    reader = SourceGroups(redis, ["wiki"], clock=at_noon, timer=timer)
    await (await a_sync(redis)).groups({ENG: frozenset({ANA})})
    assert (await reader.read()).groups == {ENG: {ANA}}
    await redis.flushall()
    timer.now += HOLD_SECONDS
    assert await reader.read() == UNKNOWN
    await (await a_sync(redis)).groups({ENG: frozenset({ANA})})
    timer.now += HOLD_SECONDS
    assert (await reader.read()).groups == {ENG: {ANA}}


async def test_a_wiped_redis_shows_nobody_more_than_what_everyone_may_read_until_the_next_sync(
    engines: Engines, redis: Redis, timer: Timer
):
    client = connect(socket=engines.qdrant_socket)
    index = Index(client, EMBEDDER)
    await index.open()
    await index.upsert([LEAVE, PAY])
    reader = SourceGroups(redis, ["wiki"], clock=at_noon, timer=timer)

    async def found_by_ana() -> list[str]:
        timer.now += HOLD_SECONDS
        audience = Audience.of(expand({ANA}, (await reader.read()).groups))
        return sorted(await found(Index(client, EMBEDDER), "salaries and vacation", audience))

    await (await a_sync(redis)).groups({"group:confluence:eng": frozenset({ANA})})
    assert await found_by_ana() == ["wiki:leave", "wiki:pay"]
    await redis.flushall()
    assert await found_by_ana() == ["wiki:leave"]
    await (await a_sync(redis)).groups({"group:confluence:eng": frozenset({ANA})})
    assert await found_by_ana() == ["wiki:leave", "wiki:pay"], "what the index itself knows of accesses was not lost"
    await client.close()


async def test_nobody_is_in_any_group_while_redis_is_away(redis: Redis, timer: Timer):
    nowhere = connect_redis("redis://127.0.0.1:1")
    reader = SourceGroups(nowhere, ["wiki"], clock=at_noon, timer=timer)
    with capture_logs() as logs:
        assert await reader.read() == UNKNOWN
        timer.now += HOLD_SECONDS
        assert await reader.read() == UNKNOWN
    assert [entry["event"] for entry in logs] == ["groups.lost"]
    await nowhere.aclose()
