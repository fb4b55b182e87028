"""Who gets a code for an account elsewhere, and what is said when it is given."""

from __future__ import annotations

import re

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.link import LinkCommands
from core.errors import UserError
from core.links import Links
from core.models import Principal
from tests.fakes import RecordingReply


def given(user: str, *principals: Principal, text: str = "") -> Command:
    return Command(
        name="link",
        text=text,
        user=user,
        user_name="Ana",
        principals=frozenset({user, *principals}),
        platform=user.partition(":")[0],
        channel_id="C1",
        conversation_id=None,
    )


def said(reply: RecordingReply) -> str:
    [text] = reply.replies
    return text


async def test_who_is_known_by_an_address_gets_a_code_and_gives_it_elsewhere(redis: Redis) -> None:
    links, offered, taken = Links(redis), RecordingReply(), RecordingReply()
    commands = LinkCommands(links)
    await commands.issue(given("slack:U1", "user:ana@acme.com", "channel:slack:C1"), offered)
    found = re.search(r"`/link code:(\S+)`.+ what ana@acme\.com may read: tell the code to nobody\.", said(offered))
    assert found
    await commands.redeem(given("discord:456", "user:discord:456", text=found[1]), taken)
    assert said(taken).startswith("This account is now known as ana@acme.com, for 90 days.")
    assert await links.of(["discord:456"]) == {"discord:456": "user:ana@acme.com"}


async def test_who_is_known_by_no_address_or_by_a_link_alone_gets_none(redis: Redis) -> None:
    links = Links(redis)
    await links.redeem("discord:456", await links.issue("ana@acme.com"))
    for person in (given("slack:GUEST"), given("discord:456", "user:discord:456", "user:ana@acme.com")):
        with pytest.raises(UserError, match="Your administrator can"):
            await LinkCommands(links).issue(person, RecordingReply())


async def test_unlinking_is_of_the_account_and_where_that_has_no_link_of_the_address(redis: Redis) -> None:
    links = Links(redis)
    for account in ("discord:1", "discord:2", "discord:3"):
        await links.redeem(account, await links.issue("ana@acme.com"))
    counts = []
    for person in (given("discord:1", "user:ana@acme.com"), *[given("slack:U1", "user:ana@acme.com")] * 2):
        reply = RecordingReply()
        await LinkCommands(links).unlink(person, reply)
        counts.append(said(reply))
    assert [text.partition(".")[0] for text in counts] == [f"Links taken away: {number}" for number in (1, 2, 0)]
