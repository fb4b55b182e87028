"""The queue over a real server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from core.errors import TransientError, UserError
from core.indexing.jobs import ClaimLost, Jobs
from core.indexing.jobs.claim import Claim
from core.indexing.jobs.ledger import ClaimLedger
from core.indexing.jobs.queue import MAX_WAITING
from core.indexing.ledger import Row
from core.models import SyncReport, SyncState, SyncStatus
from tests.sources import NOON
from tests.unit.core.indexing.jobs.conftest import Valkey, request


@pytest.fixture
def jobs(redis: Redis) -> Jobs:
    return Jobs(redis)


@pytest.fixture
def brief(redis: Redis) -> Jobs:
    """Its claims expire soon."""
    return Jobs(redis, ttl=2.0)


async def taken_over(jobs: Jobs) -> Claim:
    """The claim, as soon as the one before has expired."""
    async with asyncio.timeout(60):
        while not (claim := await jobs.claim("pages")):
            await asyncio.sleep(0.01)
    return claim


async def test_a_source_that_was_never_synced_says_so(jobs: Jobs):
    assert await jobs.state("pages") == SyncState(source="pages")
    assert await jobs.states() == {}


async def test_a_request_waits_until_it_is_claimed(jobs: Jobs):
    submitted = await jobs.submit(request(full=True))
    assert (submitted.accepted, submitted.state.status) == (True, SyncStatus.WAITING)
    claim = await jobs.claim("pages")
    assert claim is not None
    assert claim.request == request(full=True)
    assert (await jobs.state("pages")).status is SyncStatus.RUNNING
    assert await jobs.claim("pages") is None


async def test_a_second_request_is_told_that_one_waits(jobs: Jobs):
    await jobs.submit(request(id="r1"))
    second = await jobs.submit(request(id="r2"))
    assert not second.accepted
    assert (second.state.status, second.state.request) == (SyncStatus.WAITING, request(id="r1"))


async def test_a_second_request_is_told_that_one_runs(jobs: Jobs):
    await jobs.submit(request(id="r1"))
    claim = await jobs.claim("pages")
    await claim.tell(replace(claim.state, status=SyncStatus.RUNNING, request=claim.request, report=SyncReport(seen=7)))
    second = await jobs.submit(request(id="r2"))
    assert not second.accepted
    assert (second.state.status, second.state.report.seen) == (SyncStatus.RUNNING, 7)


@pytest.mark.parametrize("by", ["schedule", "push"])
async def test_timer_and_push_leave_one_request_behind_a_running_one(jobs: Jobs, by: str):
    await jobs.submit(request(id="r1"))
    await jobs.claim("pages")
    assert (await jobs.submit(request(id="r2", by=by))).accepted
    assert not (await jobs.submit(request(id="r3", by=by))).accepted


async def test_the_same_request_twice_is_one(jobs: Jobs):
    assert (await jobs.submit(request())).accepted
    assert (await jobs.submit(request())).accepted
    await jobs.claim("pages")
    assert (await jobs.submit(request())).accepted
    assert (await jobs.state("pages")).status is SyncStatus.RUNNING


async def test_of_many_who_ask_at_once_exactly_one_is_accepted(jobs: Jobs):
    answers = await asyncio.gather(*(jobs.submit(request(id=f"r{number}")) for number in range(20)))
    assert sum(answer.accepted for answer in answers) == 1


async def test_of_many_who_claim_at_once_exactly_one_succeeds(jobs: Jobs):
    await jobs.submit(request())
    claims = await asyncio.gather(*(jobs.claim("pages") for _ in range(20)))
    assert len([claim for claim in claims if claim]) == 1


async def test_sources_do_not_wait_for_each_other(jobs: Jobs):
    await jobs.submit(request("pages"))
    await jobs.submit(request("wiki"))
    assert await jobs.claim("pages")
    assert await jobs.claim("wiki")
    assert set(await jobs.states()) == {"pages", "wiki"}


async def test_what_a_claim_writes_is_what_others_read(jobs: Jobs):
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    state = SyncState(
        source="pages",
        status=SyncStatus.RUNNING,
        request=claim.request,
        started_at=NOON,
        report=SyncReport(seen=3, failed={"pages:ü\n": "why"}, failures=1, skipped={"hidden": 2}, would_index=("a",)),
        fresh_at=NOON,
    )
    await claim.tell(state)
    assert await jobs.state("pages") == state
    done = replace(state, status=SyncStatus.DONE, finished_at=NOON)
    await claim.finish(done)
    assert await jobs.state("pages") == done


@pytest.mark.parametrize("part", [{"scope": "pages:a"}, {"dry_run": True}])
async def test_a_part_and_a_dry_run_end_for_their_followers_and_leave_the_state_of_the_source(jobs: Jobs, part):
    await jobs.submit(request(id="r1"))
    claim = await jobs.claim("pages")
    whole = replace(claim.state, status=SyncStatus.DONE, request=claim.request, finished_at=NOON, report=SyncReport(seen=9))
    await claim.finish(whole)
    await jobs.submit(request(id="r2", **part))
    claim = await jobs.claim("pages")
    assert claim.state == whole
    await claim.tell(replace(claim.state, request=claim.request, report=SyncReport(seen=1)))
    assert (await jobs.state("pages")).report.seen == 1
    await claim.finish(replace(claim.state, status=SyncStatus.FAILED, request=claim.request, report=SyncReport(seen=2)))
    [end] = [state async for state in jobs.follow(request(id="r2"))]
    assert (end.status, end.report.seen) == (SyncStatus.FAILED, 2)
    assert await jobs.state("pages") == whole
    assert (await jobs.record("pages")).kept.failures == 0


async def test_the_next_claim_goes_on_from_the_last_cursor(jobs: Jobs):
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    await ClaimLedger(claim, claim.state).keep("c1", {})
    await claim.finish(replace(claim.state, status=SyncStatus.DONE))
    await jobs.submit(request(id="r2"))
    assert (await jobs.claim("pages")).state.cursor == "c1"


class TestRequestsThatDiffer:
    async def test_wait_side_by_side_and_are_worked_off_in_their_order(self, jobs: Jobs):
        asked = [
            request(id="r1"),
            request(id="r2", scope="ENG"),
            request(id="r3", scope="HR"),
            request(id="r4", full=True),
            request(id="r5", scope="ENG", force=True),
        ]
        for one in asked:
            assert (await jobs.submit(one)).accepted
        for one in asked:
            claim = await jobs.claim("pages")
            assert claim.request == one
            await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=one))

    async def test_wait_behind_one_that_runs(self, jobs: Jobs):
        await jobs.submit(request(id="r1"))
        await jobs.claim("pages")
        submitted = await jobs.submit(request(id="r2", scope="failed"))
        assert submitted.accepted
        assert (submitted.state.status, submitted.state.request.id) == (SyncStatus.WAITING, "r2")

    async def test_the_same_part_is_asked_for_once(self, jobs: Jobs):
        await jobs.submit(request(id="r1", scope="HR"))
        await jobs.submit(request(id="r2", scope="ENG"))
        again = await jobs.submit(request(id="r3", scope="ENG"))
        assert not again.accepted
        assert (again.state.status, again.state.request.id) == (SyncStatus.WAITING, "r2")

    async def test_too_many_are_refused_with_what_to_do(self, jobs: Jobs):
        for number in range(MAX_WAITING):
            await jobs.submit(request(id=f"r{number}", scope=f"S{number}"))
        with pytest.raises(UserError, match=f"{MAX_WAITING} requests for parts of pages wait"):
            await jobs.submit(request(id="more", scope="more"))
        assert (await jobs.submit(request(id="whole"))).accepted

    async def test_a_push_that_is_one_too_many_asks_for_the_whole_instead(self, jobs: Jobs):
        for number in range(MAX_WAITING):
            await jobs.submit(request(id=f"r{number}", scope=f"S{number}", by="push"))
        assert (await jobs.submit(request(id="more", scope="more", by="push"))).accepted
        assert (await jobs.record("pages")).waiting[-1].scope is None

    async def test_a_push_for_a_part_is_told_of_the_whole_that_waits(self, jobs: Jobs):
        await jobs.submit(request(id="r1", by="schedule"))
        assert not (await jobs.submit(request(id="r2", scope="ENG", by="push"))).accepted
        assert (await jobs.submit(request(id="r3", scope="ENG"))).accepted, "a person wants to see this very part"

    async def test_each_follower_sees_the_end_of_its_own(self, jobs: Jobs):
        parts = [request(id="r1", scope="ENG"), request(id="r2", scope="HR")]
        for one in parts:
            await jobs.submit(one)
        for number, one in enumerate(parts):
            claim = await jobs.claim("pages")
            report = SyncReport(seen=number)
            await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=one, report=report))
        for number, one in enumerate(parts):
            assert [state.report.seen async for state in jobs.follow(one)] == [number]


async def test_a_request_whose_worker_died_is_claimed_again_when_the_lock_has_expired(jobs: Jobs, brief: Jobs):
    await jobs.submit(request())
    began = time.monotonic()
    dead = await brief.claim("pages")
    claim = await taken_over(jobs)
    assert time.monotonic() - began > 1.9
    assert (claim.request, claim.takeovers, dead.takeovers) == (dead.request, 1, 0)


async def test_the_request_of_a_dead_worker_goes_before_the_one_that_waits(jobs: Jobs, brief: Jobs):
    await jobs.submit(request(id="r1"))
    await brief.claim("pages")
    await jobs.submit(request(id="r2", by="schedule"))
    claim = await taken_over(jobs)
    assert claim.request.id == "r1"
    await claim.finish(replace(claim.state, status=SyncStatus.DONE))
    assert (await jobs.claim("pages")).request.id == "r2"


async def test_a_claim_that_is_kept_does_not_expire(jobs: Jobs, brief: Jobs):
    await jobs.submit(request())
    claim = await brief.claim("pages")
    keeper = asyncio.create_task(claim.renew())
    await asyncio.sleep(2.5)
    assert await jobs.claim("pages") is None
    claim.guard()
    keeper.cancel()


async def test_late_writes_of_a_worker_that_was_paused_are_refused(jobs: Jobs, redis: Redis):
    await jobs.submit(request())
    # Its own clock has not noticed the pause: only the fence stands between it and the state.
    paused = await Jobs(redis, ttl=0.5).claim("pages")
    paused._valid_until += 3600
    successor = await taken_over(jobs)
    await ClaimLedger(successor, successor.state).keep("new", {"pages:a": Row(version="2")})
    late = ClaimLedger(paused, paused.state)
    with pytest.raises(ClaimLost):
        await late.keep("old", {"pages:a": None})
    with pytest.raises(ClaimLost):
        await late.groups({"group:pages:eng": frozenset({"user:eve@acme.com"})})
    await late.progress(SyncReport(seen=99))
    with pytest.raises(ClaimLost):
        await paused.finish(replace(paused.state, status=SyncStatus.DONE))
    await paused.release()
    state = await jobs.state("pages")
    assert (state.cursor, state.status, state.report.seen) == ("new", SyncStatus.RUNNING, 0)
    assert await jobs.rows("pages") == {"pages:a": Row(version="2")}
    assert await jobs.claim("pages") is None, "the successor's lock is still there"
    assert int(successor.owner.partition(":")[0]) > int(paused.owner.partition(":")[0])


async def test_a_worker_that_was_paused_notices_by_itself_that_its_claim_may_be_lost(jobs: Jobs, brief: Jobs):
    await jobs.submit(request())
    claim = await brief.claim("pages")
    claim.guard()
    await asyncio.sleep(2.05)
    with pytest.raises(ClaimLost):
        claim.guard()


async def test_a_request_that_is_given_back_is_taken_up_at_once_and_counts_as_no_death(jobs: Jobs):
    await jobs.submit(request())
    await (await jobs.claim("pages")).release()
    claim = await jobs.claim("pages")
    assert (claim.request, claim.takeovers) == (request(), 0)


async def test_a_follower_sees_a_request_from_waiting_to_its_end(jobs: Jobs):
    await jobs.submit(request())
    states = jobs.follow(request())
    assert (await anext(states)).status is SyncStatus.WAITING
    claim = await jobs.claim("pages")
    for seen in (1, 2):
        await claim.tell(replace(claim.state, status=SyncStatus.RUNNING, request=claim.request, report=SyncReport(seen=seen)))
        state = await anext(states)
        assert (state.status, state.report.seen) == (SyncStatus.RUNNING, seen)
    await claim.finish(replace(claim.state, status=SyncStatus.DONE))
    assert [state.status async for state in states] == [SyncStatus.DONE]


async def test_a_follower_behind_a_running_request_sees_its_own_end_and_not_the_others(jobs: Jobs):
    mine = request(id="r2", by="push")
    await jobs.submit(request(id="r1"))
    first = await jobs.claim("pages")
    await jobs.submit(mine)
    following = jobs.follow(mine)
    states = [await anext(following)]
    await first.finish(replace(first.state, status=SyncStatus.FAILED, request=first.request, error="the first one's"))
    second = await jobs.claim("pages")
    await second.finish(replace(second.state, status=SyncStatus.DONE, request=mine, error=None))
    states += [state async for state in following]
    assert {state.request.id for state in states} == {"r2"}
    assert (states[0].status, states[-1].status) == (SyncStatus.WAITING, SyncStatus.DONE)


async def test_who_follows_a_finished_request_sees_its_end(jobs: Jobs):
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    await claim.finish(replace(claim.state, status=SyncStatus.DONE, request=request()))
    await jobs.submit(request(id="r2"))
    assert [state.status async for state in jobs.follow(request())] == [SyncStatus.DONE]


async def test_a_follower_of_a_request_that_an_emptied_redis_lost_is_told(jobs: Jobs, redis: Redis):
    await jobs.submit(request())
    states = jobs.follow(request())
    assert (await anext(states)).status is SyncStatus.WAITING
    await redis.flushall()
    last = [state async for state in states][-1]
    assert last.status is SyncStatus.FAILED
    assert "ask again" in last.error


async def test_whoever_listens_is_woken_by_a_request_and_by_one_that_is_given_back(jobs: Jobs):
    async with jobs.woken() as woken:
        began = time.monotonic()
        await jobs.submit(request())
        await woken(60)
        await (await jobs.claim("pages")).release()
        await woken(60)
        assert time.monotonic() - began < 50
        began = time.monotonic()
        await woken(0.2)
        assert time.monotonic() - began >= 0.2


async def test_all_keys_of_a_source_lie_in_one_slot_of_a_cluster(jobs: Jobs, redis: Redis):
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    ledger = ClaimLedger(claim, claim.state)
    await ledger.keep("c1", {"pages:a": Row()})
    await ledger.groups({"group:pages:eng": frozenset()})
    await claim.finish(replace(claim.state, status=SyncStatus.DONE))
    await jobs.submit(request(id="r2"))
    await jobs.claim("pages")
    await jobs.submit(request(id="r3", scope="ENG"))
    keys = {key.decode() for key in await redis.keys()} - {"footnote:sync:sources"}
    assert len(keys) == 6
    assert len({await redis.execute_command("CLUSTER KEYSLOT", key) for key in keys}) == 1


async def test_a_server_that_is_away_is_a_transient_error_that_names_the_setting(valkey: Valkey, jobs: Jobs):
    valkey.kill()
    with pytest.raises(TransientError, match="REDIS_URL"):
        await jobs.submit(request())


async def test_requests_and_states_survive_a_killed_server(valkey: Valkey, jobs: Jobs):
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    await ClaimLedger(claim, claim.state).keep("c1", {"pages:a": Row(reason="why")})
    await jobs.submit(request(id="r2", by="schedule"))
    await jobs.submit(request(id="r3", scope="ENG"))
    valkey.kill()
    await valkey.start()
    assert (await jobs.state("pages")).cursor == "c1"
    assert await jobs.rows("pages") == {"pages:a": Row(reason="why")}
    for id in ("r2", "r3"):
        await claim.finish(replace(claim.state, status=SyncStatus.DONE))
        claim = await jobs.claim("pages")
        assert claim.request.id == id


async def test_clients_that_answer_in_text_are_fine(valkey: Valkey):
    client = Redis(unix_socket_path=str(valkey.socket), decode_responses=True)
    jobs = Jobs(client)
    await jobs.submit(request())
    claim = await jobs.claim("pages")
    await ClaimLedger(claim, claim.state).keep("c1", {"pages:ü": Row(version="1")})
    assert (await jobs.states())["pages"].cursor == "c1"
    assert await jobs.rows("pages") == {"pages:ü": Row(version="1")}
    await client.aclose()


async def test_what_somebody_asked_for_is_taken_back_unless_it_runs(jobs: Jobs):
    await jobs.submit(request(id="r1"))
    claim = await jobs.claim("pages")
    await jobs.submit(request(id="r2", full=True))
    await jobs.submit(request(id="r3", by="slack:U2", force=True))
    await jobs.submit(request("files", id="r4"))
    assert await jobs.withdraw("slack:U1") == 2
    assert await jobs.withdraw("slack:U1") == 0
    assert claim is not None
    await claim.finish(claim.state)
    last = await jobs.claim("pages")
    assert last is not None
    assert last.request.id == "r3"
    assert await jobs.claim("files") is None


async def test_who_follows_a_request_that_was_taken_back_is_told_so(jobs: Jobs):
    await jobs.submit(request(id="r1"))
    following = jobs.follow(request(id="r1"))
    assert (await anext(following)).status is SyncStatus.WAITING
    await jobs.withdraw("slack:U1")
    [last] = [state async for state in following]
    assert last.status is SyncStatus.FAILED
