"""The emulated Slack lets apps in as strictly as Slack: an app that keeps tokens badly fails its tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from tests.emulators.slack import SlackServer
from tests.emulators.slack_browser import Browser, Page

HOME = "https://footnote.acme.com"
REDIRECT = f"{HOME}/slack/oauth_redirect"
ANA, GENERAL = "U1ANA", "C1GENERAL"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as slack:
        slack.oauth.redirect_uris = [REDIRECT]
        for team in (slack.team("T1ACME"), slack.team("T2BOLT")):
            team.user(ANA)
            team.channel(GENERAL)
        yield slack


async def asks(slack: SlackServer, **query: str) -> Page:
    query = {"client_id": slack.oauth.client_id, "scope": "chat:write,users:read", "state": "s", **query}
    async with Browser(HOME) as browser:
        return await browser.get(f"{slack.courier.base}/oauth/v2/authorize?{urlencode(query)}")


async def code(slack: SlackServer, where: str, **query: str) -> str:
    async with Browser(HOME) as browser:
        address = await browser.decide(await asks(slack, **query), where)
    answer = parse_qs(urlsplit(address).query)
    assert answer["state"] == ["s"]
    return answer["code"][0]


async def access(slack: SlackServer, *, secret: str | None = None, **arguments: str) -> AsyncSlackResponse:
    secret = slack.oauth.client_secret if secret is None else secret
    client = AsyncWebClient(base_url=slack.url)
    return await client.oauth_v2_access(client_id=slack.oauth.client_id, client_secret=secret, **arguments)


async def refused(call: object) -> str:
    with pytest.raises(SlackApiError) as error:
        await call  # type: ignore[misc]
    return str(error.value.response["error"])


def client(slack: SlackServer, token: str) -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=slack.url)


async def test_who_asks_for_too_much_or_in_another_name_is_shown_an_error(slack: SlackServer) -> None:
    assert (await asks(slack)).status == 200
    assert "invalid_client_id" in (await asks(slack, client_id="7")).shown
    assert "invalid_scope" in (await asks(slack, scope="chat:write,admin")).shown
    assert "invalid_scope" in (await asks(slack, scope="")).shown
    assert "bad_redirect_uri" in (await asks(slack, redirect_uri="https://evil.example/slack/oauth_redirect")).shown
    assert "bad_redirect_uri" in (await asks(slack, redirect_uri=f"{REDIRECT}.evil.example")).shown


async def test_a_code_is_good_once_for_ten_minutes_and_for_the_app_alone(slack: SlackServer) -> None:
    first = await code(slack, "T1ACME")
    assert await refused(access(slack, code=first, secret="guessed")) == "bad_client_secret"
    assert await refused(access(slack, code="guessed")) == "invalid_code"
    assert await refused(access(slack, code=first, redirect_uri="https://evil.example")) == "bad_redirect_uri"
    assert await refused(access(slack, code=first, grant_type="password")) == "invalid_grant_type"
    assert (await access(slack, code=first))["team"]["id"] == "T1ACME"
    assert await refused(access(slack, code=first)) == "code_already_used"
    late = await code(slack, "T1ACME")
    slack.oauth.pass_time(601)
    assert await refused(access(slack, code=late)) == "code_expired"
    unknown = AsyncWebClient(base_url=slack.url).oauth_v2_access(client_id="7", client_secret="x", code="y")
    assert await refused(unknown) == "invalid_client_id"


async def test_a_token_opens_its_own_team_and_no_other(slack: SlackServer) -> None:
    one = client(slack, (await access(slack, code=await code(slack, "T1ACME")))["access_token"])
    two = client(slack, (await access(slack, code=await code(slack, "T2BOLT")))["access_token"])
    assert [(await each.auth_test())["team_id"] for each in (one, two)] == ["T1ACME", "T2BOLT"]
    await two.chat_postMessage(channel=GENERAL, text="hello", unfurl_links=False, unfurl_media=False)
    assert [len(slack.teams[team].posts(GENERAL)) for team in ("T1ACME", "T2BOLT")] == [0, 1]
    slack.teams["T2BOLT"].channel("C2BOLT")
    assert await refused(one.chat_postMessage(channel="C2BOLT", text="hello")) == "channel_not_found"
    assert slack.flaws == ["C2BOLT is a channel of another team than T1ACME"]
    assert await refused(one.conversations_info(channel=GENERAL)) == "missing_scope", "only what was asked for is granted"
    file = slack.teams["T2BOLT"].files.upload(ANA, "pay.txt", b"Thirty days.")
    slack.teams["T2BOLT"].api.scopes = None
    async with aiohttp.ClientSession() as session:
        for token, type in ((one.token, "text/html"), (two.token, "application/octet-stream")):
            async with session.get(file["url_private"], headers={"Authorization": f"Bearer {token}"}) as response:
                assert response.content_type == type


async def test_a_team_that_installs_again_keeps_its_token_until_it_is_revoked(slack: SlackServer) -> None:
    tokens = [(await access(slack, code=await code(slack, "T1ACME")))["access_token"] for _ in range(2)]
    assert tokens[0] == tokens[1]
    assert (await client(slack, tokens[0]).auth_revoke(test=True))["revoked"] is False
    assert (await client(slack, tokens[0]).auth_revoke())["revoked"] is True
    assert await refused(client(slack, tokens[0]).auth_test()) == "token_revoked"
    assert not slack.teams["T1ACME"].installed
    assert (await access(slack, code=await code(slack, "T1ACME")))["access_token"] != tokens[0]
    slack.oauth.uninstall("T1ACME")
    (last,) = slack.oauth.at("T1ACME").tokens
    assert await refused(client(slack, last).auth_test()) == "account_inactive"


async def test_tokens_that_rotate_expire_and_are_refreshed_once(slack: SlackServer) -> None:
    slack.oauth.rotating, slack.oauth.life = True, 3600
    first = await access(slack, code=await code(slack, "T1ACME"))
    assert first["expires_in"] == 3600
    slack.oauth.pass_time(3500)
    second = await access(slack, grant_type="refresh_token", refresh_token=first["refresh_token"])
    again = access(slack, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert await refused(again) == "invalid_refresh_token"
    assert [(await client(slack, each["access_token"]).auth_test())["ok"] for each in (first, second)] == [True, True]
    slack.oauth.pass_time(200)
    assert await refused(client(slack, first["access_token"]).auth_test()) == "token_expired"
    third = await access(slack, grant_type="refresh_token", refresh_token=second["refresh_token"])
    await access(slack, grant_type="refresh_token", refresh_token=third["refresh_token"])
    assert await refused(client(slack, second["access_token"]).auth_test()) == "token_expired", "two are active at most"


async def test_an_organisations_token_must_say_the_workspace_where_slack_cannot_know_it(slack: SlackServer) -> None:
    org = slack.org("E1GRID", "T3EAST", "T4WEST")
    east, west = org.teams
    west.channel("C4WEST")
    for team in (east, west):
        team.user("W1ANA")
    installed = await access(slack, code=await code(slack, "E1GRID"))
    assert (installed["team"], installed["enterprise"]["id"], installed["is_enterprise_install"]) == (None, "E1GRID", True)
    app = client(slack, installed["access_token"])
    assert (await app.auth_test())["enterprise_id"] == "E1GRID"
    assert [team["id"] for team in (await app.auth_teams_list())["teams"]] == ["T3EAST", "T4WEST"]
    assert await refused(app.users_list()) == "missing_argument"
    (ana,) = [user for user in (await app.users_list(team_id="T4WEST"))["members"] if user["id"] == "W1ANA"]
    assert ana["enterprise_user"]["teams"] == ["T3EAST", "T4WEST"]
    await app.chat_postMessage(channel="C4WEST", text="hello", unfurl_links=False, unfurl_media=False)
    assert len(west.posts("C4WEST")) == 1
    slack.oauth.withdraw(org, west)
    assert await refused(app.users_list(team_id="T4WEST")) == "team_access_not_granted"
    assert await refused(app.chat_postMessage(channel="C4WEST", text="x")) == "team_access_not_granted"


async def test_events_say_whose_they_are_and_come_only_where_the_app_is_installed(slack: SlackServer) -> None:
    told: list[dict[str, Any]] = []

    async def hear(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response()

    org = slack.org("E1GRID", "T3EAST")
    org.teams[0].user(ANA)
    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.courier.request_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    for place in ("T1ACME", "E1GRID"):
        await access(slack, code=await code(slack, place, scope="im:history"))
    for team in slack.teams.values():
        await team.dm(ANA, "hello")
        await slack.settled()
    slack.oauth.uninstall("E1GRID")
    await slack.settled()
    await org.teams[0].dm(ANA, "hello?")
    await slack.settled()
    await runner.cleanup()
    shape = [(body["team_id"], body["enterprise_id"], body["event"]["type"]) for body in told]
    ends = [(None, "E1GRID", "app_uninstalled"), (None, "E1GRID", "tokens_revoked")]
    assert shape[:2] == [("T1ACME", None, "message"), ("T3EAST", "E1GRID", "message")]
    assert sorted(shape[2:], key=str) == ends
    assert [body["authorizations"][0]["is_enterprise_install"] for body in told] == [False, True, True, True]
