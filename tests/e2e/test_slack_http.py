"""Slack over HTTP: only what Slack itself has just signed is heard, and garbage harms nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import pytest

from bots.redis import connect_redis
from tests.e2e.slack_dialogue import ANA, GENERAL, Dialogue, dialogue
from tests.emulators.slack_workspace import BOT_USER, envelope


class Post:
    """An attacker, or a broken proxy, at the request URL."""

    def __init__(self, talk: Dialogue, session: aiohttp.ClientSession) -> None:
        self._talk = talk
        self._session = session

    async def __call__(self, body: str | bytes, headers: dict[str, str], content_type: str = "application/json") -> int:
        assert self._talk.slack.courier.request_url
        headers = {"Content-Type": content_type} | headers
        async with self._session.post(self._talk.slack.courier.request_url, data=body, headers=headers) as response:
            return response.status

    def sign(self, body: str, **how: object) -> dict[str, str]:
        return self._talk.slack.courier.sign(body, **how)  # type: ignore[arg-type]

    async def nothing_was_asked(self) -> None:
        await asyncio.sleep(0.2)
        assert self._talk.assistant.asked == []


@asynccontextmanager
async def open_endpoint() -> AsyncIterator[tuple[Dialogue, Post]]:
    async with dialogue() as talk, talk.running(talk.http_bot()), aiohttp.ClientSession() as session:
        yield talk, Post(talk, session)
        question = await talk.slack.mention(ANA, GENERAL, "still alive?")
        await talk.slack.until_reply(question)


def mention(text: str = "how many days?") -> str:
    event = {"type": "app_mention", "user": ANA, "channel": GENERAL, "text": f"<@{BOT_USER}> {text}", "ts": "1700000000.000100"}
    return json.dumps(envelope(event))


def written(talk: Dialogue, text: str = "how many days?") -> str:
    """The event of a mention that was posted, and that nobody has delivered yet."""
    post = talk.slack.workspace.write(GENERAL, ANA, f"<@{BOT_USER}> {text}")
    return json.dumps(envelope(next(iter(talk.slack.workspace.events_of(post)))))


async def test_a_forged_request_is_refused() -> None:
    async with open_endpoint() as (_, post):
        body = mention()
        assert await post(body, {}) == 401
        assert await post(body, post.sign(body, secret="guessed")) == 401
        assert await post(body, post.sign(body) | {"X-Slack-Signature": "v0="}) == 401
        assert await post(body, post.sign(body) | {"X-Slack-Signature": "v0=ü"}) == 401
        assert await post(body.replace(ANA, "U9MALLORY"), post.sign(body)) == 401
        await post.nothing_was_asked()


@pytest.mark.parametrize("seconds", [-301, 400, -86400], ids=["old", "from the future", "very old"])
async def test_a_stale_request_is_refused(seconds: int) -> None:
    async with open_endpoint() as (_, post):
        body = mention()
        assert await post(body, post.sign(body, at=time.time() + seconds)) == 401
        await post.nothing_was_asked()


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "9" * 400, "١٧٠٠"])
async def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    async with open_endpoint() as (_, post):
        body = mention()
        assert await post(body, post.sign(body) | {"X-Slack-Request-Timestamp": timestamp}) == 401


async def test_a_replayed_request_is_refused() -> None:
    async with open_endpoint() as (talk, post):
        await talk.slack.until(lambda: True)
        body = json.dumps({"type": "url_verification", "challenge": "c", "token": "t"})
        headers = post.sign(body)
        assert await post(body, headers) == 200
        assert await post(body, headers) == 401


async def test_a_question_that_is_replayed_or_delivered_again_is_answered_once() -> None:
    async with open_endpoint() as (talk, post):
        body = written(talk)
        headers = post.sign(body)
        assert await post(body, headers) == 200
        await talk.slack.until(lambda: talk.assistant.asked, what="the question")
        assert await post(body, headers) == 401
        # Slack itself signs anew what it delivers again.
        again = post.sign(body, at=time.time() - 5) | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
        assert await post(body, again) == 200
        await asyncio.sleep(0.2)
        assert len(talk.assistant.asked) == 1


async def test_without_redis_a_replayed_question_is_answered_once() -> None:
    async with dialogue() as talk, connect_redis("redis://127.0.0.1:1") as talk.redis, talk.running(talk.http_bot()):
        async with aiohttp.ClientSession() as session:
            post, body = Post(talk, session), written(talk)
            headers = post.sign(body)
            assert [await post(body, headers) for _ in range(3)] == [200, 200, 200]
        await talk.slack.until(lambda: talk.assistant.asked, what="the question")
        await asyncio.sleep(0.2)
        assert len(talk.assistant.asked) == 1


async def test_the_signature_is_that_of_the_bytes_as_they_were_sent() -> None:
    async with open_endpoint() as (talk, post):
        body = json.dumps(json.loads(written(talk, "wie viele Tage für Ältere?")), indent=3, ensure_ascii=False) + "\n"
        same = json.dumps(json.loads(body))
        assert await post(same, post.sign(body)) == 401
        await post.nothing_was_asked()
        assert await post(body.encode(), post.sign(body)) == 200
        await talk.slack.until(lambda: talk.assistant.asked, what="the question")


async def test_a_signature_that_differs_in_one_place_or_in_length_is_refused() -> None:
    async with open_endpoint() as (_, post):
        body = mention()
        headers = post.sign(body)
        right = headers["X-Slack-Signature"]
        flipped = right[:-1] + ("0" if right[-1] != "0" else "1")
        for wrong in (flipped, right[:-1], right + "0", right.removeprefix("v0="), right.replace("v0=", "v1=")):
            assert await post(body, headers | {"X-Slack-Signature": wrong}) == 401
        await post.nothing_was_asked()


async def test_slack_is_told_the_challenge() -> None:
    async with open_endpoint() as (talk, post), aiohttp.ClientSession() as session:
        body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"})
        assert talk.slack.courier.request_url
        headers = {"Content-Type": "application/json"} | post.sign(body)
        async with session.post(talk.slack.courier.request_url, data=body, headers=headers) as response:
            assert (await response.json())["challenge"].startswith("3eZbrw1aBm2r")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", "application/json"),
        ("{", "application/json"),
        ("[]", "application/json"),
        ("null", "application/json"),
        ("5", "application/json"),
        ('"event_callback"', "application/json"),
        ("{}", "application/json"),
        ('{"type": "event_callback"}', "application/json"),
        ('{"type": "event_callback", "event": 5}', "application/json"),
        ('{"type": "event_callback", "event": {"type": null}}', "application/json"),
        ('{"type": 7}', "application/json"),
        ('{"team": 7, "type": "event_callback", "event": {"type": "message"}}', "application/json"),
        ('{"authorizations": 7, "type": "event_callback", "event": {"type": "message"}}', "application/json"),
        ("payload={", "application/x-www-form-urlencoded"),
        ("a=b&c", "application/x-www-form-urlencoded"),
        (urlencode({"command": "/unknown", "user_id": ANA}), "application/x-www-form-urlencoded"),
        ("\x00\x01", "application/octet-stream"),
        ("[" * 20_000, "application/json"),
    ],
)
async def test_garbage_that_is_signed_is_refused(body: str, content_type: str) -> None:
    async with open_endpoint() as (_, post):
        assert 400 <= await post(body, post.sign(body), content_type) < 500
        await post.nothing_was_asked()


async def test_bytes_that_are_no_text_are_refused() -> None:
    async with open_endpoint() as (_, post):
        assert await post(b"\xff\xfe{", {"X-Slack-Signature": "v0=1", "X-Slack-Request-Timestamp": "1"}) == 400


async def test_more_than_a_megabyte_is_refused() -> None:
    async with open_endpoint() as (_, post):
        body = json.dumps({"type": "x" * 2_000_000})
        assert await post(body, post.sign(body)) == 413


async def test_before_the_start_slack_is_asked_to_come_again() -> None:
    async with dialogue() as talk:
        bot = talk.http_bot()
        async with talk.running(bot):
            await bot.stop(1)
            async with aiohttp.ClientSession() as session:
                body = mention()
                assert await Post(talk, session)(body, talk.slack.courier.sign(body)) == 503
