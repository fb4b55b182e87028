"""Who is asked about how often, and what is believed for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bots.slack.client import build_client, open_session
from bots.slack.people import FRESH_SECONDS, SlackPeople
from tests.emulators.slack import SlackServer
from tests.fakes import groups


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[SlackServer, SlackPeople, Clock]]:
    clock = Clock()
    async with SlackServer() as slack, open_session() as session:
        slack.user("U1", name="Ana", email="Ana@Acme.com")
        client = build_client(slack.bot_token, slack.url, session)
        yield slack, SlackPeople(client, "T0FOOT", groups({}), clock=clock), clock


async def test_a_person_is_asked_about_once_by_many_at_the_same_time_and_again_when_it_is_old() -> None:
    async with asking() as (slack, people, clock):
        found = await asyncio.gather(*(people.find("U1") for _ in range(20)))
        assert {person.email for person in found} == {"ana@acme.com"}
        clock.now = FRESH_SECONDS - 1
        await people.find("U1")
        assert len(slack.calls("users.info")) == 1
        clock.now = FRESH_SECONDS
        slack.user("U1", name="Ana", email="ana@acme.com", deleted=True)
        assert (await people.find("U1")).email is None
        assert len(slack.calls("users.info")) == 2


async def test_a_failure_is_not_remembered() -> None:
    async with asking() as (slack, people, _):
        slack.fail("users.info", error="internal_error")
        assert (await people.find("U1")).name == "U1"
        assert (await people.find("U1")).name == "Ana"


async def test_names_do_not_wait_for_a_slow_answer_but_it_is_remembered() -> None:
    async with asking() as (slack, people, _):
        slack.slow(0.3, "users.info", times=1)
        assert await people.names({"U1"}, within=0.05) == {}
        assert await people.names({"U1"}, within=60) == {"U1": "Ana"}
        assert await people.names({"U1"}, within=0) == {"U1": "Ana"}
        assert len(slack.calls("users.info")) == 1


async def test_rights_belong_to_the_account_and_to_a_confirmed_address() -> None:
    async with asking() as (slack, people, _):
        slack.user("U2", name="Ben", email="ben@acme.com", is_restricted=True)
        assert await people.principals("U1") == {"slack:U1", "user:ana@acme.com"}
        assert await people.principals("U2") == {"slack:U2"}
        assert await people.principals("U3UNKNOWN") == {"slack:U3UNKNOWN"}
