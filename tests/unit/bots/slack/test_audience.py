"""Who will see an answer, and what each of them holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from bots.redis import connect_redis
from bots.slack.audience import SlackAudience
from bots.slack.changes import SlackChanges
from bots.slack.channels import CROWD, SlackChannels
from bots.slack.client import build_client, open_session
from bots.slack.people import SlackPeople
from bots.slack.translate import Identity
from core.models import ANYONE, Audience
from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import BOT, BOT_USER, TEAM
from tests.fakes import groups, message
from tests.redis_servers import Valkey

ANA, BEN, CARA = "U1ANA", "U2BEN", "U3CARA"
OPEN, PRIVATE = "C1OPEN", "C2PRIVATE"
GROUPS = {"group:people-ops": ("user:ana@acme.com", "user:ben@acme.com"), "group:granted": (f"channel:slack:{PRIVATE}",)}
MEMBER = {"domain:acme.com", f"workspace:slack:{TEAM}"}
INSIDE = {f"channel:slack:{PRIVATE}", "group:granted"}
HELD_BY_ANA = MEMBER | INSIDE | {"user:ana@acme.com", "group:people-ops"}
HELD_BY_BEN = MEMBER | INSIDE | {"user:ben@acme.com", "group:people-ops"}
NOBODY_KNOWN = Audience.of(INSIDE)


class Workspace:
    def __init__(self, slack: SlackServer, audience: SlackAudience, elsewhere: SlackAudience) -> None:
        self.slack = slack
        self.audience = audience
        self.elsewhere = elsewhere
        """In another process."""

    async def of(self, channel: str = PRIVATE, *, asker: str = ANA, private: bool = False) -> Audience:
        return await self.audience.of(replace(message(channel_id=channel, user=f"slack:{asker}"), private=private))


Opens = Callable[[], AbstractAsyncContextManager[Workspace]]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    asyncio.run(server.start())
    yield server
    server.kill()


@pytest.fixture
def workspace(valkey: Valkey) -> Opens:
    return partial(_workspace, valkey.url)


@asynccontextmanager
async def _workspace(redis_url: str) -> AsyncIterator[Workspace]:
    """Ana and Ben are in a private channel, and with Cara in the workspace."""
    redis = connect_redis(redis_url, None)
    async with SlackServer() as slack, open_session() as session, aclosing(redis):
        for id in (ANA, BEN, CARA):
            slack.user(id, email=f"{id[2:].lower()}@acme.com")
        slack.channel(OPEN, ANA, BEN)
        slack.channel(PRIVATE, ANA, BEN, private=True)
        client = build_client(slack.bot_token, slack.url, session)
        me = Identity(team=TEAM, user=BOT_USER, bot=BOT)
        here, there = (
            SlackAudience(me, SlackPeople(client, TEAM), SlackChannels(client), SlackChanges(redis, TEAM), groups(GROUPS))
            for _ in range(2)
        )
        yield Workspace(slack, here, there)


async def test_each_member_of_a_private_channel_is_a_reader_and_our_bot_is_none(workspace: Opens) -> None:
    async with workspace() as here:
        assert await here.of() == Audience.of(HELD_BY_ANA, HELD_BY_BEN)


async def test_of_several_people_in_a_direct_message_too(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.channel(PRIVATE, ANA, BEN, kind="mpim")
        assert await here.of() == Audience.of(HELD_BY_ANA, HELD_BY_BEN)


async def test_a_public_channel_is_read_by_every_full_member_of_the_workspace(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.user("U4GUEST", email="guest@acme.com", is_restricted=True)
        readers = (await here.of(OPEN)).readers
        assert {name for reader in readers for name in reader if name.startswith("user:")} == {
            "user:ana@acme.com",
            "user:ben@acme.com",
            "user:cara@acme.com",
        }


@pytest.mark.parametrize("eve", [{"is_email_confirmed": False}, {"email": None}], ids=lambda eve: next(iter(eve)))
async def test_a_colleague_without_a_confirmed_address_may_open_public_channels_too(
    workspace: Opens, eve: dict[str, object]
) -> None:
    async with workspace() as here:
        here.slack.user("U4EVE", **({"email": "eve@acme.com"} | eve))
        assert await here.of(OPEN) == Audience.of({f"channel:slack:{OPEN}"})


async def test_slackbot_is_nobody(workspace: Opens) -> None:
    async with workspace() as here:
        before = await here.of(OPEN)
    async with workspace() as here:
        here.slack.user("USLACKBOT", email=None)
        assert await here.of(OPEN) == before != Audience.of({f"channel:slack:{OPEN}"})


@pytest.mark.parametrize(
    "who",
    [
        {"is_restricted": True},
        {"is_ultra_restricted": True},
        {"is_stranger": True},
        {"team_id": "T0OTHER"},
        {"is_bot": True},
        {"is_email_confirmed": False},
        {"email": None},
    ],
    ids=lambda who: next(iter(who)),
)
async def test_one_of_whom_nothing_is_vouched_for_holds_the_channel_alone_and_decides(
    workspace: Opens, who: dict[str, object]
) -> None:
    async with workspace() as here:
        here.slack.user("U4EVE", **({"email": "eve@acme.com"} | who))
        here.slack.channel(PRIVATE, ANA, BEN, "U4EVE", private=True)
        assert await here.of() == NOBODY_KNOWN


async def test_somebody_deactivated_who_is_still_listed_reads_nothing_any_more(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.user("U4GONE", email="gone@acme.com", deleted=True)
        here.slack.channel(PRIVATE, ANA, BEN, "U4GONE", private=True)
        assert await here.of() == Audience.of(HELD_BY_ANA, HELD_BY_BEN)


async def test_who_asks_is_a_reader_even_if_the_list_of_members_is_behind(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.channel(PRIVATE, ANA, private=True)
        assert await here.of(asker=BEN) == Audience.of(HELD_BY_ANA, HELD_BY_BEN)


async def test_a_channel_that_is_shared_with_another_organisation_holds_itself_alone(workspace: Opens) -> None:
    async with workspace() as here:
        await here.slack.share(PRIVATE)
        assert await here.of() == NOBODY_KNOWN


async def test_in_private_only_the_asker_reads_and_in_a_channel_still_holds_it(workspace: Opens) -> None:
    async with workspace() as here:
        assert await here.of(private=True) == Audience.of(HELD_BY_ANA)
        assert await here.of(f"D{ANA}", private=True) == Audience.of(HELD_BY_ANA - INSIDE)
        here.slack.user("U4GUEST", email="guest@acme.com", is_restricted=True)
        assert await here.of(f"D{ANA}", asker="U4GUEST", private=True) == ANYONE


async def test_a_change_that_is_told_counts_at_once_and_one_that_is_not_within_a_minute(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.user("U4GUEST", email="guest@acme.com", is_restricted=True)
        known = await here.of()
        await here.slack.join("U4GUEST", PRIVATE)
        assert await here.of() == known
        await here.elsewhere.changed(PRIVATE)
        assert await here.of() == NOBODY_KNOWN


async def test_a_lost_right_that_another_process_is_told_of_counts_at_once(workspace: Opens) -> None:
    async with workspace() as here:
        await here.of(OPEN)
        here.slack.workspace.users[BEN].flags["is_restricted"] = True
        await here.elsewhere.changed(BEN)
        assert await here.of() == NOBODY_KNOWN
        here.slack.user("U4DAN", email="dan@acme.com")
        await here.elsewhere.changed(TEAM)
        here.slack.channel(OPEN, ANA)
        await here.elsewhere.changed(OPEN)
        assert len((await here.of(OPEN)).readers) == 3
        here.slack.workspace.users[BEN].flags["is_restricted"] = False
        await here.elsewhere.changed(BEN)
        assert len((await here.of(OPEN)).readers) == 4
        assert await here.audience.principals(BEN, OPEN) > {f"workspace:slack:{TEAM}"}


async def test_a_thousand_members_are_read_in_pages_and_of_too_many_only_channel_and_workspace_are_known(
    workspace: Opens,
) -> None:
    async with workspace() as here:
        crowd = [here.slack.user(f"U{number}", email=f"u{number}@acme.com").id for number in range(CROWD + 1)]
        here.slack.channel(PRIVATE, *crowd[:1000], private=True)
        assert len((await here.of(asker=crowd[0])).readers) == 1000
        here.slack.channel(PRIVATE, *crowd, private=True)
        await here.audience.changed(PRIVATE)
        assert await here.of() == Audience.of(INSIDE | {f"workspace:slack:{TEAM}"})
        assert len(here.slack.calls("users.info")) <= 1
        assert await here.of(OPEN) == Audience.of(
            HELD_BY_ANA - INSIDE | {f"channel:slack:{OPEN}"},
            HELD_BY_BEN - INSIDE | {f"channel:slack:{OPEN}"},
            {f"workspace:slack:{TEAM}", f"channel:slack:{OPEN}"},
        )
        await here.slack.share(PRIVATE)
        await here.audience.changed(PRIVATE)
        assert await here.of() == NOBODY_KNOWN


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "conversations.members", "error": "missing_scope"},
        {"method": "conversations.members", "error": "channel_not_found"},
        {"method": "conversations.info", "error": "missing_scope"},
        {"method": "conversations.info", "body": "<html>"},
        {"method": "conversations.members", "status": 429, "retry_after": 30},
    ],
    ids=lambda fault: f"{fault['method']} {fault.get('error') or fault.get('status') or 'html'}",
)
@pytest.mark.fault
async def test_where_members_cannot_be_read_the_channel_alone_is_known_until_they_can(
    workspace: Opens, fault: dict[str, object]
) -> None:
    async with workspace() as here:
        here.slack.fail(**fault)
        assert await here.of() == NOBODY_KNOWN
        if "retry_after" not in fault:
            assert await here.of() == Audience.of(HELD_BY_ANA, HELD_BY_BEN)


@pytest.mark.fault
async def test_people_of_whom_nothing_can_be_learnt_decide_as_strangers_do(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.fail("users.info", error="internal_error", times=2)
        assert await here.of() == NOBODY_KNOWN
        here.slack.fail("users.list", error="internal_error")
        assert await here.of(OPEN) == Audience.of({f"channel:slack:{OPEN}"})


@pytest.mark.fault
async def test_a_slow_slack_does_not_keep_a_question_waiting(workspace: Opens) -> None:
    async with workspace() as here:
        here.slack.slow(3.5, "conversations.members", times=1)
        assert await here.of() == NOBODY_KNOWN
        await here.slack.until(lambda: here.slack.calls("conversations.members"))
        assert await here.of() == Audience.of(HELD_BY_ANA, HELD_BY_BEN)
        assert len(here.slack.calls("conversations.members")) == 1
