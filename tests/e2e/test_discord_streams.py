"""Answers that grow on Discord: how soon, how often, and what is never seen of them."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bots.discord.cards import LIMIT, length
from core.errors import TransientError
from core.models import Answer, Audience, Message
from tests.e2e.discord_dialogue import TRAVEL, Dialogue, dialogue, scene, writes
from tests.emulators.discord import DiscordServer
from tests.emulators.discord_components import V2, buttons_of
from tests.emulators.discord_rest import Call
from tests.emulators.discord_world import Message as Shown
from tests.fakes import answer

WRITING = "-# Writing…"


def seen(message: Shown) -> list[str]:
    """All that the message ever showed since its first edit."""
    return [text for _, text in message.edits]


def writings(discord: DiscordServer) -> list[Call]:
    return [call for call in discord.rest.calls if "/messages" in call.path and call.method in {"POST", "PATCH"}]


def _unhurried(talk: Dialogue) -> None:
    talk.hurry(1)


class Told:
    """An assistant that writes a text slowly, and the moments at which it did."""

    def __init__(self, *pieces: str, pause: float, before: float = 0.0) -> None:
        self._pieces = pieces
        self._pause = pause
        self._before = before
        self.first = 0.0
        self.last = 0.0

    async def script(self, message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await asyncio.sleep(self._before)
        for piece in self._pieces:
            self.last = time.monotonic()
            self.first = self.first or self.last
            yield piece
            await asyncio.sleep(self._pause)
        self.last = time.monotonic()
        yield replace(answer("".join(self._pieces), question=message.text), citations=(TRAVEL,))


@pytest.mark.parametrize("by_command", [False, True], ids=["mention", "command"])
async def test_an_answer_grows_in_one_message_and_ends_as_the_whole(by_command: bool) -> None:
    words = [f"word{number} " for number in range(60)]
    told = Told(*words, pause=0.02, before=0.1)
    async with dialogue(told.script) as talk:
        if by_command:
            asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
            await talk.discord.finished(asked)
            assert asked.original is not None
            shown = asked.original
        else:
            shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        begun = time.monotonic()
        assert begun - told.first < 0.15
        assert shown.content.startswith("word0")
        assert not shown.flags & V2, "a notification shows plain text only"
        await talk.discord.until(lambda: "Travel policy" in shown.content, what="the whole answer")
        assert time.monotonic() - told.last < 0.3
        assert len(talk.discord.said_by_bot(talk.general)) == 1
        grown = seen(shown)
        assert len(grown) >= 3
        assert all(len(before) < len(after) for before, after in itertools.pairwise(grown))
        assert all(WRITING in text for text in grown[1:-1])
        assert WRITING not in shown.content
        assert shown.flags & V2
        assert [button["label"] for button in buttons_of(shown.components)] == ["👍", "👎", "Answer with my access"]


@pytest.mark.slow
async def test_an_answer_is_edited_at_most_once_a_second_however_fast_it_is_written() -> None:
    told = Told(*(f"word{number} " for number in range(380)), pause=0.03)
    async with dialogue(told.script, prepare=_unhurried) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Tell me everything"))
        await talk.discord.until(lambda: "Travel policy" in shown.content, what="the whole answer")
        at = [call.at for call in writings(talk.discord)]
        assert all(later - earlier > 1.0 for earlier, later in itertools.pairwise(at[1:-1]))
        assert len(at) <= (at[-1] - at[0]) + 2
        assert talk.discord.rest.throttled == 0


@pytest.mark.slow
async def test_many_answers_that_grow_in_one_channel_keep_its_rate_together() -> None:
    told = Told(*(f"word{number} " for number in range(200)), pause=0.04)
    async with dialogue(told.script, prepare=_unhurried) as talk:
        questions = [await talk.discord.mention(talk.ana, talk.general, f"Question {number}?") for number in range(6)]
        shown = await asyncio.gather(*(talk.discord.answer_to(question) for question in questions))
        await talk.discord.until(lambda: all("Travel policy" in message.content for message in shown), what="all answers")
        edits = [call.at for call in writings(talk.discord) if call.method == "PATCH"]
        assert all(later - earlier >= 5 for earlier, later in zip(edits, edits[5:], strict=False))
        assert talk.discord.rest.throttled == 0
        assert len(talk.discord.said_by_bot(talk.general)) == 6


HARMFUL = (
    "Ask @everyone, @here, <@123456789012345678> or <@&123456789012345678> in <#123456789012345678>. "
    "See [the form](https://evil.example/?q=secret), <https://evil.example> or https://evil.example/x and "
    "![pixel](https://evil.example/p.png). "
) * 4


async def test_nothing_is_ever_seen_that_pings_links_or_unfurls() -> None:
    pieces = [HARMFUL[at : at + 7] for at in range(0, len(HARMFUL), 7)]
    async with dialogue(writes(*pieces, pause=0.01)) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Whom do I ask?"))
        first = shown.content
        await talk.discord.until(lambda: bool(buttons_of(shown.components)), what="the whole answer")
        assert len(shown.edits) >= 3
        for text in (first, *seen(shown)):
            outside = re.sub(r"`[^`]*`", "", text)
            assert not re.search(r"@everyone|@here|<@[!&]?\d|<#\d|https?://|\]\(", outside)
        for call in writings(talk.discord):
            assert call.body["allowed_mentions"]["parse"] == []


async def test_what_does_not_fit_one_message_follows_when_it_is_whole() -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "Leave is granted by the team lead. " * 8 for number in range(40))
    pieces = [text[at : at + 200] for at in range(0, len(text), 200)]
    async with dialogue(writes(*pieces, pause=0.01)) as talk:
        first = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Tell me everything"))
        await talk.discord.until(lambda: "Paragraph 39" in talk.discord.said_by_bot(talk.general)[-1].content, what="the end")
        shown = talk.discord.said_by_bot(talk.general)
        assert shown[0] is first
        assert re.findall(r"Paragraph (\d+)\.", "".join(message.content for message in shown)) == [str(n) for n in range(40)]
        assert all(length(message.content) <= LIMIT for message in shown)
        assert [bool(buttons_of(message.components)) for message in shown] == [False] * (len(shown) - 1) + [True]


async def test_an_error_takes_the_place_of_what_was_written_and_can_be_tried_again() -> None:
    tries = itertools.count()

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "Thirty da"
        await asyncio.sleep(0.3)
        if next(tries) == 0:
            raise TransientError("The model broke off.")
        yield answer("Thirty days.", question=message.text)

    async with dialogue(script) as talk:
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        await talk.discord.until(lambda: "broke off" in shown.content, what="the error")
        assert "Thirty" not in shown.content
        [card, *_] = shown.components
        assert card["type"] == 17
        pressed = await talk.discord.press(talk.ana, shown, "Try again")
        assert await talk.discord.finished(pressed) == ["I am trying it again."]
        await talk.discord.until(lambda: shown.content == "Thirty days.", what="the answer in its place")
        assert len([said for said in talk.discord.said_by_bot(talk.general) if not said.only_for]) == 1


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["lost", "refused", 429, 500])
async def test_a_stream_that_discord_stumbles_over_shows_the_whole_once(kind: int | str) -> None:
    told = Told(*(f"word{number} " for number in range(30)), pause=0.05)
    async with dialogue(told.script) as talk:
        talk.discord.fail("POST", "/channels/.*/messages$", kind)
        talk.discord.fail("PATCH", "/messages/", kind, times=2)
        shown = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        await talk.discord.until(lambda: "Travel policy" in shown.content, what="the whole answer")
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 1)


@pytest.mark.fault
async def test_the_whole_answer_is_written_anew_when_what_grew_was_deleted() -> None:
    told = Told(*(f"word{number} " for number in range(40)), pause=0.05)
    async with dialogue(told.script) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        shown = await talk.discord.answer_to(question)
        shown.deleted = True

        def whole() -> list[Shown]:
            return [said for said in talk.discord.said_by_bot(talk.general) if "Travel policy" in said.content]

        await talk.discord.until(lambda: bool(whole()), what="the answer")
        assert not whole()[0].deleted


@pytest.mark.fault
@pytest.mark.parametrize("private", [False, True])
async def test_an_answer_that_outlives_its_interaction_goes_on_elsewhere_and_says_so(private: bool) -> None:
    told = Told(*(f"word{number} " for number in range(60)), pause=0.05)
    async with dialogue(told.script) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=private)
        await talk.discord.finished(asked)
        talk.discord.clock.advance(14.5 * 60)
        where = talk.discord.dm_channel(talk.ana) if private else talk.general

        def elsewhere() -> list[Shown]:
            return [said for said in talk.discord.said_by_bot(where) if "Travel policy" in said.content]

        await talk.discord.until(lambda: bool(elsewhere()), what="the whole answer elsewhere")
        assert elsewhere()[0].content.startswith("-# Ana asked: How many days?\nword0")
        assert asked.original is not None
        assert elsewhere()[0].reply_to is (None if private else asked.original)
        if not private:
            assert "the whole answer follows in another message" in asked.original.content


async def test_the_typing_ends_with_the_answer_and_a_stop_leaves_no_half_of_it() -> None:
    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "Thirty da"
        await asyncio.sleep(60)
        yield answer("Thirty days.", question=message.text)

    async with scene(script) as talk, talk.running() as bot:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        shown = await talk.discord.answer_to(question)
        responder = bot._inbox._responder
        assert await responder.stop(talk.assistant.asked[0][0].conversation_id)
        await talk.discord.until(lambda: "Stopped" in shown.content, what="the notice")
        assert "Thirty" not in shown.content
        assert len(talk.discord.said_by_bot(talk.general)) == 1


async def test_a_direct_message_notifies_with_its_words_also_where_nothing_was_streamed() -> None:
    async with dialogue() as talk:
        shown = await talk.discord.answer_to(await talk.discord.dm(talk.ana, "How many days?"))
        await talk.discord.until(lambda: bool(buttons_of(shown.components)), what="the whole answer")
        [sent] = talk.discord.calls("POST", "/messages$")
        assert sent.body["content"].startswith("You have **30 days**")
        assert not sent.body.get("flags", 0) & V2
        assert len(talk.discord.said_by_bot(talk.discord.dm_channel(talk.ana))) == 1
