"""How the tokens of workspaces are kept, which keys open them, and that each is renewed once."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from redis.asyncio import Redis
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.install import States
from bots.slack.installations import Installations, Installed
from bots.slack.scopes import SCOPES
from bots.slack.tokens import Tokens
from bots.slack.workspaces import ids
from core.errors import ConfigError, TransientError
from tests.one_redis import redis_away

OLD, NEW = "the key of last year, long enough", base64.urlsafe_b64encode(bytes(range(32))).decode()
ACME = Installed(id="T1ACME", name="Acme", user="UBOT", bot="BBOT", token="xoxb-1", at=1000.0)
LASTING = 43_200.0


class Oauth:
    """Of Slack only what renews tokens: each refresh token works once."""

    def __init__(self) -> None:
        self.good = "xoxe-1"
        self.given = 1

    async def oauth_v2_access(self, **asked: Any) -> dict[str, Any]:
        assert asked["refresh_token"] == self.good, "it was used before"
        self.given += 1
        self.good = f"xoxe-{self.given}"
        await asyncio.sleep(0.05)
        return {"access_token": f"xoxb-{self.given}", "refresh_token": self.good, "expires_in": LASTING}


async def kept(redis: Redis) -> str:
    raw: Any = await redis.hget("footnote:slack:installations", "T1ACME")
    return str(raw.decode())


@pytest.mark.parametrize("key", [OLD, NEW], ids=["words", "a key of Fernet's"])
async def test_a_token_is_found_again_and_stands_nowhere_in_clear(redis: Redis, key: str) -> None:
    await Installations(redis, [key]).save(ACME)
    assert await Installations(redis, [key]).find("T1ACME") == ACME
    assert await Installations(redis, [key]).find("T2BOLT") is None
    assert "xoxb" not in await kept(redis)
    assert "xoxb" not in repr(ACME)


async def test_a_key_is_changed_by_putting_the_new_one_first_for_one_start(redis: Redis) -> None:
    await Installations(redis, [OLD]).save(ACME)
    with pytest.raises(ConfigError, match="FOOTNOTE_TOKEN_KEY does not open the token of the Slack workspace T1ACME"):
        await Installations(redis, [NEW]).find("T1ACME")
    assert await Installations(redis, [NEW]).encrypt_anew() == 0, "what cannot be opened stays"
    both = Installations(redis, [NEW, OLD])
    assert (await both.find("T1ACME"), await both.encrypt_anew(), await both.encrypt_anew()) == (ACME, 1, 0)
    assert await Installations(redis, [NEW]).find("T1ACME") == ACME


async def test_a_token_that_is_put_in_the_place_of_another_team_s_is_not_used(redis: Redis) -> None:
    store = Installations(redis, [NEW])
    await store.save(ACME)
    await redis.hset("footnote:slack:installations", "T2BOLT", await kept(redis))
    with pytest.raises(ConfigError, match="is another one's"):
        await store.find("T2BOLT")


async def test_what_was_installed_anew_since_it_was_looked_at_is_not_deleted(redis: Redis) -> None:
    store = Installations(redis, [NEW])
    await store.save(ACME)
    before = await kept(redis)
    await store.save(replace(ACME, token="xoxb-2"))
    assert not await store.delete("T1ACME", before)
    assert await store.delete("T1ACME", await kept(redis))
    assert await store.find("T1ACME") is None


async def test_without_redis_nothing_is_said_to_be_installed_or_not() -> None:
    async with redis_away() as away:
        with pytest.raises(TransientError):
            await Installations(away, [NEW]).find("T1ACME")


async def test_a_state_is_good_once_and_for_ten_minutes_and_does_not_stand_in_redis(redis: Redis) -> None:
    states = States(redis)
    state = await states.async_issue()
    (key,) = [key.decode() async for key in redis.scan_iter("footnote:slack:state:*")]
    assert state not in key
    assert 590 < await redis.ttl(key) <= 600
    assert await States(redis).async_consume(state), "by any process"
    assert not await states.async_consume(state)
    assert not await states.async_consume("guessed")


def test_a_token_is_due_two_hours_before_its_end_or_a_sixth_of_a_short_life() -> None:
    assert not ACME.is_due(1e12), "it never expires"
    long, short = replace(ACME, expires_at=1000.0 + LASTING), replace(ACME, expires_at=1060.0)
    assert [long.is_due(1000.0 + LASTING - left) for left in (7201, 7200)] == [False, True]
    assert [short.is_due(1060.0 - left) for left in (11, 10)] == [False, True]
    assert [short.is_over(at) for at in (1059.0, 1060.0)] == [False, True]


async def test_a_token_is_renewed_once_by_all_processes_together(redis: Redis) -> None:
    oauth, now = Oauth(), 1000.0 + LASTING - 100
    processes = [
        Tokens(cast("AsyncWebClient", oauth), Installations(redis, [NEW]), "1.2", "secret", clock=lambda: now) for _ in range(4)
    ]
    await Installations(redis, [NEW]).save(replace(ACME, expires_at=1000.0 + LASTING, refresh_token="xoxe-1"))
    renewed = await asyncio.gather(*(tokens.renew("T1ACME") for tokens in processes for _ in range(3)))
    assert {one.token for one in renewed if one} == {"xoxb-2"}
    found = await Installations(redis, [NEW]).find("T1ACME")
    assert found is not None
    assert (found.refresh_token, found.expires_at) == ("xoxe-2", now + LASTING)
    again = await processes[0].renew("T1ACME", instead_of="xoxb-2")
    assert again is not None
    assert again.token == "xoxb-3", "Slack took the one before no more, whatever our clock says"
    assert await processes[0].renew("T2BOLT") is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"team_id": "T1", "authorizations": [{"team_id": "T1", "enterprise_id": None}]}, ["T1"]),
        ({"team_id": "T9", "authorizations": [{"team_id": "T1", "enterprise_id": "E1"}]}, ["T1", "E1"]),
        (
            {"team_id": "T1", "enterprise_id": "E1", "authorizations": [{"enterprise_id": "E1", "is_enterprise_install": True}]},
            ["E1"],
        ),
        ({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": "true", "command": "/footnote"}, ["E1", "T1"]),
        (
            {"team": None, "enterprise": {"id": "E1"}, "user": {"id": "W1", "team_id": "T1"}, "is_enterprise_install": True},
            ["E1", "T1"],
        ),
        ({"type": "view_submission", "team": {"id": "T1"}, "view": {"app_installed_team_id": "T2"}}, ["T2"]),
        ({}, []),
    ],
    ids=["event", "shared channel", "event of an organisation", "command", "button", "form from elsewhere", "nothing"],
)
def test_a_payload_says_by_which_installation_it_comes(body: dict[str, Any], found: list[str]) -> None:
    assert ids(body) == found


def test_what_an_installation_asks_for_is_what_the_manifest_names() -> None:
    manifest = yaml.safe_load((Path(__file__).parents[4] / "deploy" / "slack-manifest.yaml").read_text())
    assert list(SCOPES) == manifest["oauth_config"]["scopes"]["bot"]
