"""A channel is answered from what all may read; who may read more gets a private answer, and may share it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.private import PrivateAnswers
from bots.desk import KEPT_SECONDS, AnswerDesk
from bots.responder import Responder
from core.models import ANYONE, PUBLIC, Access, Answer, Audience, Message
from tests.fakes import MemoryGate, RecordingReply, ScriptedAssistant, answer, groups, message

ANA, BOB = "user:ana@acme.com", "user:bob@acme.com"
LEADS = Access(gates=(frozenset({"group:leads"}),))
PAGES = {"wiki:open": PUBLIC, "wiki:leads": LEADS}


async def classes(audience: Audience) -> Collection[str]:
    return {access.class_id for access in PAGES.values() if audience.may_read(access)}


async def accesses(ids: Collection[str]) -> dict[str, Access]:
    return {id: PAGES[id] for id in ids if id in PAGES}


async def audience_of(asked: Message) -> Audience:
    """In the channel are people of whom nothing is known; Ana is a lead."""
    return Audience.of({ANA, "group:leads"} if asked.user == "slack:ANA" else {BOB}) if asked.private else ANYONE


async def from_all_that_is_readable(asked: Message, audience: Audience) -> AsyncIterator[str | Answer]:
    readable = [id for id, access in PAGES.items() if audience.may_read(access)]
    yield replace(
        answer(", ".join(readable), id=f"answer-{len(readable)}", question=asked.text, documents=tuple(readable)),
        taken_as="Searched for “Project Falcon”, too.",
    )


class Team:
    def __init__(self, redis: Redis) -> None:
        self.desk = AnswerDesk(redis, classes)
        self.assistant = ScriptedAssistant(from_all_that_is_readable)
        self.responder = Responder(self.assistant, MemoryGate(), desk=self.desk)
        self.private = PrivateAnswers(self.desk, self.responder, groups({"group:leads": (ANA,)}), accesses)

    async def asks(self, user: str, *, private: bool = False) -> RecordingReply:
        reply = RecordingReply()
        await self.responder.respond(message("Who leads?", user=user, private=private, channel_id="C1"), reply, audience_of)
        return reply

    def pressed(self, user: str, command: str, *, channel: str = "C1") -> Command:
        name, _, text = command.partition(" ")
        person = {"slack:ANA": ANA, "slack:BOB": BOB}[user]
        return Command(
            name=name,
            text=text,
            user=user,
            user_name=user.removeprefix("slack:").title(),
            principals=frozenset({user, person}),
            platform="slack",
            channel_id=channel,
            conversation_id=None,
        )


@pytest.fixture
def team(redis: Redis) -> Team:
    return Team(redis)


async def test_who_may_read_more_than_the_channel_is_offered_a_private_answer(team: Team) -> None:
    reply = await team.asks("slack:ANA")
    assert reply.replies == ["wiki:open"]
    assert reply.offered == ["answer-1"]


async def test_who_may_not_is_offered_nothing_and_nobody_in_private_is(team: Team) -> None:
    assert not (await team.asks("slack:BOB")).offered
    assert not (await team.asks("slack:ANA", private=True)).offered


async def test_the_private_answer_is_for_whoever_presses_the_button(team: Team) -> None:
    [offered] = (await team.asks("slack:ANA")).offered
    for user, seen in (("slack:ANA", "wiki:open, wiki:leads"), ("slack:BOB", "wiki:open")):
        reply = RecordingReply()
        await team.private.ask(team.pressed(user, f"private {offered}"), reply)
        assert reply.replies[0] == seen
    asked = [asked for asked, _ in team.assistant.asked[1:]]
    assert all(each.private for each in asked)
    assert len({each.conversation_id for each in asked}) == 2, "nobody goes on with somebody else's private conversation"


async def test_a_private_answer_is_shared_with_its_sources_by_who_got_it(team: Team) -> None:
    [offered] = (await team.asks("slack:ANA")).offered
    reply = RecordingReply()
    await team.private.ask(team.pressed("slack:ANA", f"private {offered}"), reply)
    [share] = reply.buttons
    assert "look at its sources" in reply.replies[1]
    await team.private.share(team.pressed("slack:ANA", share.command), reply)
    [published] = reply.published
    assert (published.text, published.remarks) == ("wiki:open, wiki:leads", "Shared by Ana."), "names that only Ana may know stay"
    rateable = await team.desk.rated(published.id)
    assert rateable is not None
    assert not rateable.private, "whoever sees it now may rate it"


async def test_nobody_else_shares_it_nor_anywhere_else_nor_after_a_page_was_taken_away(team: Team) -> None:
    [offered] = (await team.asks("slack:ANA")).offered
    reply = RecordingReply()
    await team.private.ask(team.pressed("slack:ANA", f"private {offered}"), reply)
    share = reply.buttons[0].command
    with pytest.raises(Exception, match="Only the person who got this answer"):
        await team.private.share(team.pressed("slack:BOB", share), reply)
    with pytest.raises(Exception, match="in the channel where it was asked"):
        await team.private.share(team.pressed("slack:ANA", share, channel="C2"), reply)
    PAGES["wiki:leads"] = Access(gates=(frozenset({BOB}),))
    try:
        with pytest.raises(Exception, match="has changed since"):
            await team.private.share(team.pressed("slack:ANA", share), reply)
    finally:
        PAGES["wiki:leads"] = LEADS
    assert not reply.published


async def test_buttons_work_for_an_hour_and_not_after_they_were_forgotten(team: Team, redis: Redis) -> None:
    [offered] = (await team.asks("slack:ANA")).offered
    lifetime = await redis.ttl(f"footnote:kept:{offered}")
    assert timedelta(0) < timedelta(seconds=lifetime) <= timedelta(seconds=KEPT_SECONDS)
    assert await team.desk.forget_person("slack:ANA") == 1
    assert await team.desk.forget_person("slack:ANA") == 0
    with pytest.raises(Exception, match="do not remember it"):
        await team.private.ask(team.pressed("slack:ANA", f"private {offered}"), RecordingReply())
