"""The emulated Slack is strict: a bot that breaks Slack's rules fails its tests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import SlackServer
from tests.emulators.slack_rules import markup_flaws, refusal
from tests.emulators.slack_workspace import BOT_USER

ANA, GENERAL = "U1ANA", "C1GENERAL"


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"text": "fine"}, None),
        ({"text": "fine", "blocks": [section("x" * 3000)]}, None),
        ({}, "no_text"),
        ({"text": "  "}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": []}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 3000)] * 4}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "context", "elements": []}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "teapot"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x") | {"colour": "red"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x") | {"block_id": "same"}] * 2}, "invalid_blocks"),
        ({"text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
    ],
)
def test_messages_outside_the_limits_are_refused(message: dict[str, Any], code: str | None) -> None:
    assert refusal(message) == code


@pytest.mark.parametrize(
    "text",
    [
        "```open",
        "a & b",
        "&am",
        "<@U123>",
        "<!here>",
        "[t](https://a.b) <https://a.b|",
        "a < b",
        "hello @channel",
        "<file:///x|y>",
    ],
)
def test_text_that_people_would_see_wrongly_is_a_flaw(text: str) -> None:
    assert markup_flaws(text)


@pytest.mark.parametrize(
    "text", ["*b* <https://a.b/?c&amp;d|e> &lt;@U1&gt;", "> quoted", "```\n@channel\n```", "a @\u200bchannel"]
)
def test_text_that_people_see_right_is_none(text: str) -> None:
    assert markup_flaws(text) == []


async def refused(call: Any) -> str:
    with pytest.raises(SlackApiError) as error:
        await call
    return str(error.value.response["error"])


async def test_calls_are_refused_as_slack_refuses_them() -> None:
    async with SlackServer(scopes={"chat:write"}) as slack:
        slack.user(ANA)
        slack.channel(GENERAL)
        slack.channel("C2", with_bot=False)
        slack.channel("C3", archived=True)
        slack.channel("G4", private=True, with_bot=False)
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
        post = await slack.say(ANA, GENERAL, "hello")
        assert await refused(AsyncWebClient(base_url=slack.url).auth_test()) == "not_authed"
        assert await refused(AsyncWebClient(token="xoxb-guessed", base_url=slack.url).auth_test()) == "invalid_auth"
        assert await refused(AsyncWebClient(token=slack.app_token, base_url=slack.url).auth_test()) == "not_allowed_token_type"
        assert await refused(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
        assert await refused(client.api_call("chat.explode")) == "unknown_method"
        assert await refused(client.users_info(user=ANA)) == "missing_scope"
        assert await refused(client.chat_postMessage(channel="C9", text="x")) == "channel_not_found"
        assert await refused(client.chat_postMessage(channel="G4", text="x")) == "channel_not_found"
        assert await refused(client.chat_postMessage(channel="C2", text="x")) == "not_in_channel"
        assert await refused(client.chat_postMessage(channel="C3", text="x")) == "is_archived"
        assert await refused(client.chat_postMessage(channel=GENERAL, text="x", thread_ts="1.1")) == "thread_not_found"
        reply = await client.chat_postMessage(channel=GENERAL, text="x", thread_ts=post.ts)
        assert await refused(client.chat_postMessage(channel=GENERAL, text="x", thread_ts=reply["ts"])) == "invalid_thread_ts"
        assert await refused(client.chat_update(channel=GENERAL, ts=post.ts, text="x")) == "cant_update_message"
        assert await refused(client.chat_update(channel=GENERAL, ts=reply["ts"], text="x" * 4001)) == "msg_too_long"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {slack.bot_token}"}) as session:
            body = json.dumps({"channel": GENERAL, "text": "x", "unfurl_links": False, "unfurl_media": False})
            async with session.post(f"{slack.url}chat.postMessage", data=body.encode()) as response:
                assert (await response.json())["error"] == "invalid_post_type"
            async with session.post(
                f"{slack.url}chat.postMessage", data=body, headers={"Content-Type": "application/json"}
            ) as response:
                assert (await response.json())["ok"]
        assert "chat.postMessage: missing_charset" in slack.flaws
        assert "links unfurl" in slack.flaws


async def test_who_is_there_is_told_in_pages_and_as_far_as_the_scopes_reach() -> None:
    async with SlackServer(scopes={"users:read", "channels:read"}) as slack:
        ids = [slack.user(f"U{number}", email=f"u{number}@acme.com").id for number in range(250)]
        slack.user("U9STRANGER", team_id="T0OTHER")
        slack.user("U9GONE", deleted=True)
        slack.channel(GENERAL)
        slack.channel("C2", *ids[:3], private=True)
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
        first = await client.conversations_members(channel=GENERAL)
        assert len(first["members"]) == 100
        paged = [page["members"] async for page in await client.conversations_members(channel=GENERAL, limit=99)]
        assert [len(page) for page in paged] == [99, 99, 53]
        assert {id for page in paged for id in page} == {*ids, BOT_USER}
        people = [user async for page in await client.users_list(limit=200) for user in page["members"]]
        assert {user["id"] for user in people} == {*ids, BOT_USER, "U9GONE"}
        assert not any("email" in user["profile"] for user in people)
        info = await client.conversations_info(channel=GENERAL)
        assert (info["channel"]["is_private"], info["channel"]["is_ext_shared"]) == (False, False)
        assert await refused(client.conversations_members(channel=GENERAL, limit=1000)) == "invalid_limit"
        assert await refused(client.users_list(cursor="page two")) == "invalid_cursor"
        assert await refused(client.conversations_members(channel="C2")) == "missing_scope"
        assert await refused(client.conversations_info(channel="C2")) == "missing_scope"
        await slack.join("U9GONE", "C2")
        assert not slack.delivered, "the event needs the scope, too"


async def test_a_response_url_works_five_times() -> None:
    async with SlackServer() as slack, aiohttp.ClientSession() as session:
        slack.user(ANA)
        slack.channel(GENERAL)
        id = await slack.command(ANA, GENERAL, "/footnote")
        statuses = []
        for _ in range(6):
            async with session.post(f"{slack.courier.base}/respond/{id}", json={"text": "x"}) as response:
                statuses.append(response.status)
        assert statuses == [200] * 5 + [404]


async def test_an_event_that_is_not_acknowledged_comes_again_with_its_number() -> None:
    async with SlackServer(retry_seconds=(0.01, 0.01, 0.01)) as slack, aiohttp.ClientSession() as session:
        slack.user(ANA)
        slack.channel(GENERAL)
        url = (await AsyncWebClient(base_url=slack.url).apps_connections_open(app_token=slack.app_token))["url"]
        await slack.say(ANA, GENERAL, "hello")
        for attempt in range(2):
            async with session.ws_connect(url) as socket:
                assert (await socket.receive_json())["type"] == "hello"
                envelope = await socket.receive_json()
                assert envelope["retry_attempt"] == attempt
                if attempt:
                    await socket.send_json({"envelope_id": envelope["envelope_id"]})
                    await slack.settled()
            url = (await AsyncWebClient(base_url=slack.url).apps_connections_open(app_token=slack.app_token))["url"]
        assert [(delivery.attempt, delivery.seconds is None) for delivery in slack.deliveries] == [(0, True), (1, False)]


async def test_a_ticket_opens_one_socket() -> None:
    async with SlackServer() as slack, aiohttp.ClientSession() as session:
        url = (await AsyncWebClient(base_url=slack.url).apps_connections_open(app_token=slack.app_token))["url"]
        async with session.ws_connect(url):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)
        await asyncio.sleep(0)
