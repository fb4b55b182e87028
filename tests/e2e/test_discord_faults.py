"""Discord and the network at their worst: every question is answered, once."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from core.errors import ConfigError, TransientError
from tests.e2e.discord_dialogue import Dialogue, dialogue, held, says, scene
from tests.emulators.discord_permissions import HISTORY, SEND
from tests.emulators.discord_world import Message as Shown

pytestmark = pytest.mark.fault


async def _asked_while_away(talk: Dialogue) -> None:
    """A question that is asked while the bot is not connected is answered once when it is back."""
    question = await talk.discord.mention(talk.ana, talk.general, "Did you miss this?")
    await talk.discord.answer_to(question)
    await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 1)


async def test_a_cut_connection_is_resumed_and_the_missed_question_answered_once() -> None:
    async with scene() as talk, talk.running() as bot:
        await talk.discord.gateway.cut()
        await _asked_while_away(talk)
        assert talk.discord.gateway.resumed == 1
        assert bot.connected


async def test_a_request_to_reconnect_is_followed() -> None:
    async with dialogue() as talk:
        await talk.discord.gateway.ask_to_reconnect()
        await _asked_while_away(talk)
        assert talk.discord.gateway.resumed == 1


@pytest.mark.slow
async def test_an_invalidated_session_is_begun_anew() -> None:
    async with scene() as talk, talk.running() as bot:
        await talk.discord.gateway.invalidate_sessions()
        await talk.discord.until(lambda: not bot.connected, what="the bot to notice")
        # discord.py waits 5 s before it identifies again.
        await talk.discord.until(lambda: talk.discord.gateway.identified == 2 and bot.connected, what="a new session")
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Are you back?"))


async def test_refused_first_handshakes_do_not_kill_the_bot() -> None:
    async with scene() as talk:
        talk.discord.gateway.refused_handshakes = 2
        async with talk.running() as bot:
            assert bot.connected
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        assert talk.discord.gateway.handshakes == 3


async def test_the_bot_says_that_it_is_not_connected_while_the_gateway_refuses_it() -> None:
    async with scene() as talk, talk.running() as bot:
        talk.discord.gateway.refused_handshakes = 3
        await talk.discord.gateway.cut()
        await talk.discord.until(lambda: not bot.connected, what="the bot to notice")
        await talk.discord.until(lambda: bot.connected, what="the bot to come back")
        await _asked_while_away(talk)


async def test_an_event_that_the_library_cannot_read_does_not_end_the_bot() -> None:
    async with scene() as talk, talk.running() as bot:
        talk.discord.gateway.dispatch("MESSAGE_CREATE", {"id": "1"})
        await talk.discord.until(lambda: talk.discord.gateway.identified == 2 and bot.connected, what="a new connection")
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))


async def test_a_message_and_a_command_that_are_delivered_three_times_are_answered_once() -> None:
    async with dialogue(says("Thirty days.", seconds=0.1)) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        for _ in range(2):
            talk.discord.deliver(question)
            talk.discord.deliver_interaction(asked)
        await talk.discord.answer_to(question)
        talk.discord.deliver(question)
        await talk.discord.finished(asked)
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 2)
        assert len(talk.assistant.asked) == 2


async def test_a_message_that_is_delivered_again_after_a_restart_is_answered_once() -> None:
    async with scene() as talk:
        async with talk.running():
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await talk.discord.answer_to(question)
        async with talk.running():
            talk.discord.deliver(question)
            await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 1)


async def test_two_processes_of_one_app_answer_once() -> None:
    async with scene(says("Thirty days.", seconds=0.1)) as talk, talk.running(), talk.running():
        assert talk.discord.gateway.connections == 2
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general)
        await talk.discord.answer_to(question)
        await talk.discord.finished(asked)
        await talk.discord.finished(given)
        await talk.discord.stays(lambda: len(talk.assistant.asked) == 2)
        assert len(talk.jobs.requests) == 1
        assert len(talk.discord.seen_by(talk.ana, talk.general)) == 3


async def test_two_processes_of_one_app_complete_what_is_typed_without_a_word_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene() as talk, talk.running(), talk.running():
        typed = await talk.discord.type(talk.ana, "ask", "source", "", channel=talk.general)
        await talk.discord.until(lambda: len(talk.discord.calls("POST", f"/{typed.token}/callback$")) == 2, what="both to offer")
        assert typed.choices == ["handbook"]
        await talk.discord.stays(lambda: "Ignoring exception" not in caplog.text)


@pytest.mark.parametrize("kind", [429, 500, "refused", "lost"])
async def test_an_answer_is_posted_once_when_discord_stumbles(kind: int | str) -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.fail("POST", "/channels/.*/messages$", kind)
        talk.discord.fail("PATCH", "@original$", kind)
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        await talk.discord.answer_to(question)
        assert await talk.discord.finished(asked) == ["Thirty days."]
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 2, 1.0)


@pytest.mark.parametrize("kind", ["refused", "lost"])
async def test_a_callback_whose_connection_breaks_is_sent_again(kind: str) -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.fail("POST", "/callback$", kind)
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        assert await talk.discord.finished(asked) == ["Thirty days."]
        assert len(talk.assistant.asked) == 1


async def test_a_typing_indicator_that_is_refused_costs_no_answer() -> None:
    async with dialogue(says("Thirty days.", seconds=0.1)) as talk:
        talk.discord.fail("POST", "/typing$", 403)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))


async def test_a_command_that_was_acknowledged_too_late_is_answered_in_the_channel() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.extra_latency = 3.5
        await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(talk.general)), what="an answer in the channel")
        [said] = talk.discord.said_by_bot(talk.general)
        assert said.content == "-# Ana asked: How many days?\nThirty days."


async def test_a_private_command_that_was_acknowledged_too_late_is_answered_in_a_direct_message() -> None:
    async with dialogue(says("A secret.")) as talk:
        talk.discord.extra_latency = 3.5
        await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="Who earns what?", private=True)
        messages = talk.discord.dm_channel(talk.ana).messages
        await talk.discord.until(lambda: bool(messages), what="a direct message")
        assert messages[0].content.endswith("A secret.")
        assert talk.discord.said_by_bot(talk.general) == []


@pytest.mark.parametrize("private", [False, True])
async def test_an_answer_that_takes_longer_than_its_token_lives_comes_by_another_way(
    private: bool, caplog: pytest.LogCaptureFixture
) -> None:
    script, released = held("At last.")
    async with dialogue(script) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=private)
        await talk.discord.until(lambda: asked.loading, what="thinking…")
        talk.discord.clock.advance(16 * 60)
        released.set()
        where = talk.discord.dm_channel(talk.ana) if private else talk.general
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(where)), what="the answer elsewhere")
        [said] = talk.discord.said_by_bot(where)
        assert said.content.endswith("At last.")
        assert said.reply_to is (None if private else asked.original)
    assert "Traceback" not in caplog.text


async def test_a_token_that_discord_ends_early_is_no_error_either(caplog: pytest.LogCaptureFixture) -> None:
    script, released = held("At last.")
    async with dialogue(script) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        await talk.discord.until(lambda: asked.loading, what="thinking…")
        asked.created_at = asked.created_at.replace(year=2020)
        released.set()
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(talk.general)), what="the answer in the channel")
    assert "Traceback" not in caplog.text


async def test_progress_goes_on_in_a_direct_message_when_the_token_is_over() -> None:
    async with dialogue() as talk:
        talk.jobs.steps, talk.jobs.pause = 40, 0.1
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general)
        await talk.discord.finished(given)
        talk.discord.clock.advance(16 * 60)
        messages = talk.discord.dm_channel(talk.root).messages
        await talk.discord.until(lambda: bool(messages) and "40" in messages[0].content, what="the report")
        assert len(messages) == 1
        assert talk.discord.seen_by(talk.ana, talk.general) == []


async def test_where_the_bot_may_not_write_it_answers_by_direct_message() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=SEND)
        await talk.discord.mention(talk.ana, talk.general, "How many days?")
        messages = talk.discord.dm_channel(talk.ana).messages
        await talk.discord.until(lambda: bool(messages), what="a direct message")
        assert messages[0].content == "-# I may not write in #general, so I answer you here.\nThirty days."


async def test_where_the_bot_may_write_nowhere_it_goes_on_with_the_next_question(caplog: pytest.LogCaptureFixture) -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=SEND)
        talk.ana.takes_dms = False
        await talk.discord.mention(talk.ana, talk.general, "How many days?")

        def tried() -> list[int]:
            return [call.status for call in talk.discord.calls("POST", "/messages$")]

        await talk.discord.until(lambda: tried() == [403, 403], what="attempts in the channel and by direct message")
        talk.discord.overwrite(talk.general, talk.discord.bot)
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
        assert tried() == [403, 403, 200]
    assert "Traceback" not in caplog.text


async def test_without_the_history_it_answers_without_a_link_to_the_question_and_a_reply_begins_a_new_conversation() -> None:
    async with scene() as talk:

        async def asked(text: str, reply_to: Shown) -> Shown:
            answered = len(talk.discord.said_by_bot(talk.general))
            await talk.discord.say(talk.ana, talk.general, text, reply_to=reply_to)
            await talk.discord.until(lambda: len(talk.discord.said_by_bot(talk.general)) > answered, what="an answer")
            return talk.discord.said_by_bot(talk.general)[-1]

        async with talk.running():
            answer = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
            talk.discord.overwrite(talk.general, talk.discord.bot, deny=HISTORY)
            second = await asked("And in Spain?", answer)
        async with talk.running():
            await asked("And in France?", second)
        assert len(talk.assistant.asked) == 3


async def test_the_answer_of_a_channel_that_is_deleted_meanwhile_comes_by_direct_message() -> None:
    script, released = held("At last.")
    async with dialogue(script) as talk:
        threads = [talk.discord.thread(talk.general, name) for name in ("Leave", "Pay")]
        places = [talk.discord.channel("doomed"), *threads]
        for place in places:
            await talk.discord.mention(talk.ana, place, "How many days?")
        asked = await talk.discord.slash(talk.ana, "ask", channel=places[0], question="How many days?")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 4 and asked.loading, what="all to be heard")
        talk.discord.delete_channel(places[0])
        talk.discord.delete_channel(threads[0])
        talk.discord.lock(threads[1])
        released.set()
        direct = talk.discord.dm_channel(talk.ana)
        await talk.discord.until(lambda: len(talk.discord.said_by_bot(direct)) == 4, what="the answers")
        answers = [said.content for said in talk.discord.said_by_bot(direct)]
        assert sum("I may not write in #" in text for text in answers) == 3
        assert sum("Ana asked" in text for text in answers) == 1
        assert all(text.endswith("At last.") for text in answers)


async def test_a_bad_token_is_a_configuration_error_within_ten_seconds() -> None:
    async with scene() as talk:
        bot = talk.bot(discord_bot_token="wrong")
        started = time.monotonic()
        with pytest.raises(ConfigError, match="DISCORD_BOT_TOKEN") as caught:
            await bot.start()
        assert time.monotonic() - started < 10
        assert "\n" not in str(caught.value)
        assert "wrong" not in str(caught.value)
        with pytest.raises(ConfigError, match="DISCORD_BOT_TOKEN"):
            await bot.check()
        await bot.stop()


@pytest.mark.parametrize("address", ["/api/v9", "/website"], ids=["another version", "a page for people"])
async def test_a_wrong_address_is_a_configuration_error(address: str) -> None:
    async with scene() as talk:
        bot = talk.bot(discord_api_url=talk.discord.api_url.replace("/api/v10", address))
        with pytest.raises(ConfigError, match="DISCORD_API_URL"):
            await bot.start()
        await bot.stop()


@pytest.mark.parametrize("code", [4004, 4014])
async def test_a_gateway_that_refuses_for_good_is_a_configuration_error(code: int) -> None:
    async with scene() as talk:
        talk.discord.gateway.closes_identify_with = code
        bot = talk.bot()
        with pytest.raises(ConfigError, match=str(code)):
            await bot.start()
        await bot.stop()


async def test_a_token_that_is_revoked_while_running_is_told_and_not_tried_for_ever() -> None:
    async with scene() as talk, talk.running() as bot:
        talk.discord.token = "another"
        await talk.discord.gateway.cut()
        await talk.discord.until(lambda: talk.discord.gateway.handshakes == 2, what="the attempt to resume")
        await talk.discord.until(lambda: not bot.connected, what="the bot to notice")
        await talk.discord.stays(lambda: talk.discord.gateway.handshakes == 2, 1.0)


async def test_check_says_who_the_bot_is_and_when_discord_is_away() -> None:
    async with scene() as talk:
        bot = talk.bot()
        assert await bot.check() == "footnote in 1 server"
        talk.discord.fail("GET", "/users/@me", "refused", times=9)
        with pytest.raises(TransientError, match="does not answer"):
            await bot.check()


async def test_start_waits_for_a_discord_that_is_away() -> None:
    async with scene() as talk:
        talk.discord.fail("GET", "/users/@me", "refused", times=2)
        async with talk.running() as bot:
            assert bot.connected


async def test_stopping_lets_running_answers_finish() -> None:
    async with scene(says("Thirty days.", seconds=0.5)) as talk:
        async with talk.running():
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 2, what="both to be heard")
        assert (await talk.discord.answer_to(question)).content == "Thirty days."
        assert asked.texts == ["Thirty days."]
        assert talk.discord.gateway.connections == 0


async def test_an_answer_that_does_not_finish_in_time_is_given_by_the_next_process() -> None:
    script, released = held("Thirty days.")
    async with scene(script) as talk:
        async with talk.running(drain=0.1):
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 2, what="both to be heard")
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 20
        assert talk.discord.said_by_bot(talk.general) == []
        released.set()
        async with talk.running():
            assert (await talk.discord.answer_to(question)).content == "Thirty days."
            assert await talk.discord.finished(asked) == ["Thirty days."]
            await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 2)


async def test_a_command_that_does_not_finish_in_time_is_ended_honestly() -> None:
    async with scene() as talk:
        talk.jobs.steps, talk.jobs.pause = 1000, 0.1
        async with talk.running(drain=0.1):
            given = await talk.discord.slash(talk.root, "reindex", channel=talk.general)
            await talk.discord.until(lambda: bool(given.texts), what="its progress")
        assert "restarted" in given.texts[-1]


async def test_stopping_ends_in_time_though_discord_lets_nothing_be_written() -> None:
    async with scene(says("Too late.", seconds=60)) as talk:
        talk.jobs.steps = 1000
        async with talk.running(drain=4):
            for number in range(6):
                await talk.discord.mention(talk.ana, talk.general, f"Question {number}?")
            given = await talk.discord.slash(talk.root, "reindex", channel=talk.general)
            await talk.discord.until(lambda: len(talk.assistant.asked) == 6 and given.texts, what="all to be heard")
            talk.discord.fail("POST", "/channels/.*/messages$", 429, times=99, retry_after=30)
            talk.discord.fail("PATCH", "/messages/", 429, times=99, retry_after=30)
            await asyncio.sleep(1.5)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 6


async def test_no_token_appears_in_the_logs_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with dialogue() as talk:
            asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="A very private matter")
            await talk.discord.finished(asked)
            await asyncio.sleep(0.1)
        assert talk.discord.token not in caplog.text
        assert asked.token not in caplog.text
        assert "A very private matter" not in caplog.text
