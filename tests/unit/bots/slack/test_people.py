"""Who is asked about how often, and what is believed for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from bots.slack.client import build_client, open_session
from bots.slack.people import FRESH_SECONDS, SlackPeople
from tests.emulators.slack import SlackServer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asking(*, domains: Collection[str] = ()) -> AsyncIterator[tuple[SlackServer, SlackPeople, Clock]]:
    clock = Clock()
    async with SlackServer() as slack, open_session() as session:
        slack.user("U1", name="Ana", email="Ana@Acme.com")
        client = build_client(slack.bot_token, slack.url, session)
        yield slack, SlackPeople(client, "T0FOOT", domains=domains, clock=clock), clock


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


async def test_only_addresses_of_the_allowed_domains_name_a_person() -> None:
    async with asking(domains={"acme.com"}) as (slack, people, _):
        slack.user("U2", email="ana@acme.com.evil.example")
        slack.user("U3", email="ana@sub.acme.com")
        ana, *others = await people.find_all(["U1", "U2", "U3"])
        assert (ana.member, ana.email) == (True, "ana@acme.com")
        assert [(other.member, other.email) for other in others] == [(True, None)] * 2


async def test_two_thousand_people_are_listed_and_not_asked_about_one_by_one() -> None:
    async with asking() as (slack, people, clock):
        ids = [slack.user(f"U{number}", email=f"u{number}@acme.com").id for number in range(1, 2001)]
        every, again = await asyncio.gather(people.find_all(ids), people.find_all(ids[:500]))
        assert [person.email for person in every] == [f"u{number}@acme.com" for number in range(1, 2001)]
        assert again == every[:500]
        assert (len(slack.calls("users.list")), len(slack.calls("users.info"))) == (3, 0)
        clock.now = FRESH_SECONDS
        await people.find_all(ids)
        assert len(slack.calls("users.list")) == 6


async def test_a_few_are_asked_about_one_by_one() -> None:
    async with asking() as (slack, people, _):
        ids = [slack.user(f"U{number}", email=f"u{number}@acme.com").id for number in range(1, 21)]
        await people.find_all(ids)
        assert (len(slack.calls("users.list")), len(slack.calls("users.info"))) == (0, 20)


async def test_the_directory_holds_full_members_alone_with_or_without_an_address() -> None:
    async with asking() as (slack, people, _):
        slack.user("U2", email="ben@acme.com", is_restricted=True)
        slack.user("U3", email="bot@acme.com", is_bot=True)
        slack.user("U4", email="gone@acme.com", deleted=True)
        slack.user("U5", email="eve@other.com", is_stranger=True)
        slack.user("U6")
        assert await people.directory() == {"U1", "U6"}
        slack.user("U7", email="cara@acme.com")
        assert await people.directory() == {"U1", "U6"}
        people.forget("T0FOOT")
        assert await people.directory() == {"U1", "U6", "U7"}


async def test_a_new_status_line_is_no_change_and_a_lost_right_is() -> None:
    async with asking() as (slack, people, _):
        await people.find("U1")
        ana = slack.user("U1", name="Ana", email="ana@acme.com")
        assert people.knows(ana.profile(with_email=True) | {"updated": 2, "status_text": "away"})
        ana.flags["is_restricted"] = True
        assert not people.knows(ana.profile(with_email=True))
        people.forget("U1")
        assert not (await people.find("U1")).member


async def test_a_listing_that_is_behind_an_event_is_not_believed() -> None:
    async with asking() as (slack, people, _):
        ana = slack.workspace.users["U1"]
        slack.slow(0.1, "users.list")
        listing = asyncio.ensure_future(people.directory())
        await asyncio.sleep(0.01)
        people.forget("U1")
        assert await listing == {"U1"}
        ana.flags["is_restricted"] = True
        assert not (await people.find("U1")).member
