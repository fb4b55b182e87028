"""Slack: starting with good and bad tokens, and stopping in the middle of answers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bots.redis import connect_redis
from core.errors import ConfigError
from tests.e2e.slack_dialogue import ANA, GENERAL, Dialogue, dialogue, says
from tests.fakes import ScriptedAssistant


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        ({"slack_bot_token": "xoxb-wrong"}, "SLACK_BOT_TOKEN was refused by Slack (invalid_auth)"),
        ({"slack_app_token": "xapp-wrong"}, "SLACK_APP_TOKEN was refused by Slack (invalid_auth)"),
        ({"slack_api_url": "http://127.0.0.1:1/api/"}, "SLACK_API_URL http://127.0.0.1:1/api/ does not answer as Slack does"),
    ],
    ids=["bot token", "app token", "address"],
)
async def test_a_bad_setting_is_named_in_one_line_at_once(tokens: dict[str, str], named: str) -> None:
    async with dialogue() as talk:
        bot = talk.bot(talk.settings(**({"slack_app_token": talk.slack.app_token} | tokens)))
        started = time.monotonic()
        with pytest.raises(ConfigError) as error:
            await bot.start()
        assert named in str(error.value)
        assert "\n" not in str(error.value)
        assert time.monotonic() - started < 10
        assert not bot.connected
        await bot.stop(1)


async def test_swapped_tokens_are_told_apart() -> None:
    async with dialogue() as talk:
        swapped: dict[str, Any] = {"slack_bot_token": talk.slack.app_token, "slack_app_token": talk.slack.bot_token}
        with pytest.raises(ConfigError, match=r"SLACK_(BOT|APP)_TOKEN was refused by Slack \(not_allowed_token_type\)"):
            await talk.bot(talk.settings(**swapped)).start()


@pytest.mark.slow
async def test_an_address_that_never_answers_is_named_within_ten_seconds() -> None:
    async with dialogue() as talk:
        talk.slack.slow(30.0)
        started = time.monotonic()
        with pytest.raises(ConfigError, match="did not answer within 9 s"):
            await talk.socket_bot().start()
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"body": "<html>welcome</html>"},
        {"body": "welcome", "content_type": "text/plain"},
        {"body": "{", "content_type": "application/json"},
        {"status": 404, "body": "no such page", "content_type": "text/plain"},
    ],
    ids=["500", "html", "text", "broken json", "404"],
)
async def test_trouble_of_the_server_is_not_blamed_on_the_token(fault: dict[str, Any]) -> None:
    async with dialogue() as talk:
        talk.slack.fail("auth.test", times=9, **fault)
        with pytest.raises(ConfigError, match=r"SLACK_API_URL .* does not answer as Slack does"):
            await talk.socket_bot().start()


async def test_it_says_it_is_not_connected_before_the_start_and_after_the_stop() -> None:
    async with dialogue() as talk:
        bot = talk.socket_bot()
        assert not bot.connected
        async with talk.running(bot):
            assert bot.connected
        assert not bot.connected


async def stops(talk: Dialogue, *, seconds: float, drain: float) -> tuple[list[str], float]:
    """Stop while five answers are running; returns what people were told in the threads, and how long it took."""
    talk.assistant._script = says("Thirty days.", seconds=seconds)
    async with talk.running(drain=drain) as bot:
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(5)]
        await talk.slack.until(lambda: len(talk.assistant.asked) == 5, what="five questions")
        started = time.monotonic()
        await bot.stop(drain)
        took = time.monotonic() - started
    return [reply.shown for question in questions for reply in talk.slack.replies(question)], took


async def test_a_stop_waits_for_running_answers() -> None:
    async with dialogue() as talk:
        shown, took = await stops(talk, seconds=1.0, drain=8)
        assert shown == ["Thirty days."] * 5
        assert took < 8
        assert talk.slack.workspace.statuses == {}


async def test_a_stop_that_cannot_wait_longer_leaves_the_questions_to_the_next_process() -> None:
    async with dialogue() as talk:
        shown, took = await stops(talk, seconds=60, drain=2)
        assert shown == []
        assert talk.slack.whispers(ANA) == []
        assert took < 20
        assert talk.slack.workspace.statuses == {}
        talk.assistant = ScriptedAssistant(says("Thirty days."))
        async with talk.running():
            await talk.slack.until(lambda: len(talk.slack.posts(GENERAL)) == 5, timeout=10, what="five answers")
            await talk.slack.until(lambda: set(talk.slack.streams.sessions.values()) == {"active"}, what="idle sessions")
        assert [post.shown for post in talk.slack.posts(GENERAL)] == [talk.slack.posts(GENERAL)[0].shown] * 5


async def test_without_redis_a_stop_that_cannot_wait_longer_tells_each_person_honestly(tmp_path: Path) -> None:
    async with dialogue() as talk:
        talk.redis = connect_redis(None, tmp_path / "nobody.sock")
        shown, took = await stops(talk, seconds=60, drain=2)
        assert shown == []
        whispers = talk.slack.whispers(ANA)
        assert len(whispers) == 5
        assert all("restarted" in whisper.shown and "ask again" in whisper.shown for whisper in whispers)
        assert took < 20
        assert talk.slack.workspace.statuses == {}


async def test_a_question_that_arrives_during_a_stop_is_answered_by_the_next_process() -> None:
    async with dialogue(says("Thirty days.", seconds=0.6), retry_seconds=(0.2, 0.5, 1, 2, 4, 8)) as talk:
        async with talk.running(talk.http_bot()) as bot:
            first = await talk.slack.mention(ANA, GENERAL, "first question")
            await talk.slack.until(lambda: talk.assistant.asked, what="the first question")
            stopping = asyncio.create_task(bot.stop(5))
            await asyncio.sleep(0.05)
            second = await talk.slack.mention(ANA, GENERAL, "second question")
            await stopping
            assert [reply.shown for reply in talk.slack.replies(first)] == ["Thirty days."]
            assert talk.slack.replies(second) == []
        async with talk.running(talk.http_bot()):
            await talk.slack.until_reply(second)
            await talk.slack.settled()
            assert len(talk.slack.replies(second)) == 1
