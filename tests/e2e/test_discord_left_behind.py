"""A process of the Discord bot dies or stops in the middle: another one finishes what it left behind, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.models import Answer, Audience, Message
from tests.e2e import discord_process
from tests.e2e.discord_dialogue import Dialogue, dialogue, held, scene
from tests.emulators.discord_components import buttons_of
from tests.emulators.discord_permissions import HISTORY, VIEW
from tests.emulators.discord_world import Channel
from tests.emulators.discord_world import Message as Shown
from tests.fakes import answer

pytestmark = pytest.mark.fault

PIECES = tuple(f"word{number} " for number in range(30))
WHOLE = "".join(PIECES).strip()


def script(talk: Dialogue, pause: float = 0.1, pieces: tuple[str, ...] = PIECES) -> discord_process.Script:
    return discord_process.Script(
        discord=talk.discord.api_url,
        token=talk.discord.token,
        redis=str(talk.redis.connection_pool.connection_kwargs["path"]),
        asked=str(talk.folder / "asked"),
        pieces=pieces,
        pause=pause,
    )


def said(talk: Dialogue, channel: Channel) -> list[Shown]:
    return [message for message in talk.discord.said_by_bot(channel) if not message.deleted]


def asked(talk: Dialogue) -> int:
    """How often an assistant was asked."""
    path = talk.folder / "asked"
    return len(path.read_text().splitlines()) if path.exists() else 0


async def whole(talk: Dialogue, channel: Channel) -> Shown:
    """The one message that holds the whole answer in the end, and alone."""

    def there() -> bool:
        return any(buttons_of(message.components) for message in said(talk, channel))

    await talk.discord.until(there, what="the whole answer")
    await talk.discord.stays(lambda: len(said(talk, channel)) == 1, 1.5)
    [message] = said(talk, channel)
    assert message.content.endswith(WHOLE)
    return message


async def _begun(talk: Dialogue) -> None:
    await talk.discord.until(lambda: asked(talk) == 1, what="the assistant to be asked")


async def _first_words(talk: Dialogue) -> None:
    await talk.discord.until(lambda: bool(said(talk, talk.general)), what="the first words")


async def _grown(talk: Dialogue) -> None:
    await _first_words(talk)
    await talk.discord.until(lambda: bool(said(talk, talk.general)[0].edits), what="more words")


async def _finished(talk: Dialogue) -> None:
    await _first_words(talk)
    await talk.discord.until(lambda: bool(buttons_of(said(talk, talk.general)[0].components)), what="the whole")


MOMENTS = {"begun": _begun, "first words": _first_words, "grown": _grown, "finished": _finished}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_mention_whose_process_is_killed_at_any_moment_gets_one_whole_answer(moment: str) -> None:
    async with scene() as talk:
        log = talk.folder / "log"
        async with discord_process.running(script(talk), log) as first:
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await MOMENTS[moment](talk)
            first.kill()
        async with discord_process.running(script(talk, pause=0.02), log):
            message = await whole(talk, talk.general)
        assert message.reply_to is question


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("moment", ["begun", "first words"])
async def test_a_command_whose_process_is_killed_gets_one_whole_answer_where_it_was_given(private: bool, moment: str) -> None:
    async with scene() as talk:
        log = talk.folder / "log"
        async with discord_process.running(script(talk), log) as first:
            given = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=private)
            await MOMENTS[moment](talk)
            first.kill()
        async with discord_process.running(script(talk, pause=0.02), log):
            message = await whole(talk, talk.general)
        assert given.original is message
        assert not given.loading


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("took_effect", [True, False])
async def test_a_command_whose_process_is_killed_while_it_acknowledges_it_is_answered_once(
    private: bool, took_effect: bool
) -> None:
    async with scene() as talk:
        log = talk.folder / "log"
        async with discord_process.running(script(talk), log) as first:
            # Where it did not, Discord tells its giver after three seconds that the bot did not respond.
            talk.discord.fail("POST", "/callback$", "held" if took_effect else 429, retry_after=60.0)
            given = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=private)
            await talk.discord.until(lambda: bool(talk.discord.calls("POST", "/callback$")), what="the acknowledgement")
            first.kill()
        async with discord_process.running(script(talk, pause=0.02), log):
            if took_effect:
                assert await whole(talk, talk.general) is given.original
            else:
                message = await whole(talk, talk.discord.dm_channel(talk.ana) if private else talk.general)
                assert message.content.startswith("-# Ana asked: How many days?")
        assert not given.loading
        assert asked(talk) == 1


async def test_an_answer_whose_sending_was_not_acknowledged_before_the_process_was_killed_stands_once() -> None:
    async with scene() as talk:
        log = talk.folder / "log"
        async with discord_process.running(script(talk), log) as first:
            talk.discord.fail("POST", "/channels/.*/messages$", "lost", times=9)
            await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await _first_words(talk)
            first.kill()
        talk.discord.rest.faults.clear()
        async with discord_process.running(script(talk, pause=0.02), log):
            await whole(talk, talk.general)


async def test_the_same_without_the_history_of_the_channel() -> None:
    async with scene() as talk:
        log = talk.folder / "log"
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=HISTORY)
        async with discord_process.running(script(talk), log) as first:
            talk.discord.fail("POST", "/channels/.*/messages$", "lost", times=9)
            await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await _first_words(talk)
            first.kill()
        talk.discord.rest.faults.clear()
        async with discord_process.running(script(talk, pause=0.02), log):
            await whole(talk, talk.general)


async def test_a_stopped_process_says_nothing_and_the_next_one_answers_at_once() -> None:
    text, released = held("Thirty days.")
    async with scene(text) as talk:
        async with talk.running(drain=0.1):
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        assert said(talk, talk.general) == []
        released.set()
        async with talk.running():
            shown = await talk.discord.answer_to(question, timeout=5)
            assert shown.content == "Thirty days."
        assert len(said(talk, talk.general)) == 1


async def test_who_may_read_what_is_the_same_for_whoever_finishes_a_question() -> None:
    text, released = held("Thirty days.")
    async with scene(text) as talk:
        thread = talk.discord.thread(talk.general, "Leave in Spain")
        private = talk.discord.channel("people-ops", only_for=[talk.people_ops])
        async with talk.running(drain=0.1):
            questions = [await talk.discord.mention(talk.ana, where, "How many?") for where in (talk.general, thread, private)]
            dm = await talk.discord.dm(talk.ana, "How many?")
            given = await talk.discord.slash(talk.ana, "ask", channel=private, question="How many?", private=True)
            await talk.discord.until(lambda: len(talk.assistant.asked) == 5, what="the questions to be heard")
        before = {message.id: audience for message, audience in talk.assistant.asked}
        talk.assistant.asked.clear()
        released.set()
        async with talk.running():
            for question in (*questions, dm):
                await talk.discord.answer_to(question)
            await talk.discord.finished(given)
        assert {message.id: audience for message, audience in talk.assistant.asked} == before


async def test_an_interaction_that_is_over_is_answered_in_the_channel_or_in_a_direct_message() -> None:
    text, released = held("Thirty days.")
    async with scene(text) as talk:
        async with talk.running(drain=0.1):
            shared = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many?")
            alone = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many?", private=True)
            await talk.discord.until(lambda: len(talk.assistant.asked) == 2, what="the questions to be heard")
        talk.discord.clock.advance(20 * 60)
        released.set()
        async with talk.running():
            await talk.discord.until(lambda: bool(said(talk, talk.general)), what="the answer in the channel")
            direct = talk.discord.dm_channel(talk.ana)
            await talk.discord.until(lambda: bool(said(talk, direct)), what="the answer in a direct message")
        for place in (talk.general, direct):
            assert [message.content for message in said(talk, place)] == ["-# Ana asked: How many?\nThirty days."]
        assert said(talk, talk.general)[0].reply_to is shared.original
        assert alone.shown == []


async def test_what_an_interaction_began_is_finished_in_its_message_when_it_is_over() -> None:
    answered = asyncio.Event()

    async def says(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "Thirty "
        await answered.wait()
        yield answer("Thirty days.", question=message.text)

    async with scene(says) as talk:
        async with talk.running(drain=0.1):
            given = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many?")
            await talk.discord.finished(given)
        talk.discord.clock.advance(20 * 60)
        answered.set()
        async with talk.running():
            begun = given.shown[0]
            await talk.discord.until(lambda: "days" in begun.content, what="the whole answer")
        assert len(said(talk, talk.general)) == 1


async def test_a_channel_that_is_closed_to_us_meanwhile_is_answered_by_direct_message() -> None:
    text, released = held("Thirty days.")
    async with scene(text) as talk:
        async with talk.running(drain=0.1):
            await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=VIEW)
        released.set()
        async with talk.running():
            direct = talk.discord.dm_channel(talk.ana)
            await talk.discord.until(lambda: bool(said(talk, direct)), what="a direct message")
        assert said(talk, direct)[0].content.endswith("Thirty days.")


async def test_a_long_answer_is_written_over_what_another_process_wrote_of_it() -> None:
    text = tuple(f"Paragraph {number}. " + "Leave is granted by the team lead. " * 8 + "\n\n" for number in range(30))
    async with scene() as talk:
        log = talk.folder / "log"
        async with discord_process.running(script(talk, 0.01, text), log) as first:
            await talk.discord.mention(talk.ana, talk.general, "Tell me everything")
            await talk.discord.until(lambda: len(said(talk, talk.general)) == 2, what="a second message")
            first.kill()
        async with discord_process.running(script(talk, 0.01, text), log):
            await talk.discord.until(
                lambda: bool(buttons_of(said(talk, talk.general)[-1].components)), what="the end of the answer"
            )
            await asyncio.sleep(1)
        shown = "".join(message.content for message in said(talk, talk.general))
        assert [shown.count(f"Paragraph {number}.") for number in range(30)] == [1] * 30


async def test_a_question_that_was_answered_is_left_alone_after_a_restart() -> None:
    async with dialogue() as talk:
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        async with talk.running():
            await talk.discord.stays(lambda: len(said(talk, talk.general)) == 1, 1.5)
        assert len(talk.assistant.asked) == 1
