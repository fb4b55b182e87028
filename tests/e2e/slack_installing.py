"""Two workspaces with the same ids of people and channels, one Footnote that they install themselves, and somebody's browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from redis.asyncio import Redis

from bots.app import App, open_app
from bots.finishing import finish_left_behind
from bots.http import HttpServer
from bots.pending import Pending
from bots.slack.app import SlackBot
from core.models import Answer, Audience, Message
from core.settings import Settings
from core.together import cancelled
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, SECRET, Dialogue, dialogue
from tests.emulators.openai import OpenAIServer
from tests.emulators.slack import SlackServer
from tests.emulators.slack_browser import Browser
from tests.emulators.slack_team import SlackTeam
from tests.emulators.slack_workspace import Post
from tests.fakes import Script, answer

ACME, BOLT, GRID = "T1ACME", "T2BOLT", "E1GRID"
_DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFEST, SEVERAL = (
    yaml.safe_load((_DEPLOY / name).read_text()) for name in ("slack-manifest.yaml", "slack-manifest-several.yaml")
)
Departed = Callable[[str], Awaitable[None]]
KEY = "a key of thirty-two characters or more"


async def echo(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield "You asked"
    yield answer(f"You asked: {message.text} [1].", question=message.text)


class Installing:
    def __init__(self, talk: Dialogue) -> None:
        self.talk = talk
        self.slack: SlackServer = talk.slack
        self.redis: Redis = talk.redis
        self.acme = self.slack.team(ACME, name="Acme")
        self.bolt = self.slack.team(BOLT, name="Bolt")
        for team in (self.acme, self.bolt):
            # The time stands still: messages have the same ts in both.
            team.workspace.clock = lambda: self._began
            team.user(ANA, name="Ana", email=f"ana@{team.id.lower()}.com")
            team.user(BEN, name="Ben", email=f"ben@{team.id.lower()}.com")
            team.channel(GENERAL)
            team.channel(SECRET, private=True)
        self._began = self.slack.workspace.clock()

    def settings(self, *, socket: bool = False, **fields: Any) -> Settings:
        events = {"slack_app_token": self.slack.app_token} if socket else {"slack_signing_secret": self.slack.signing_secret}
        app = {"slack_client_id": self.slack.oauth.client_id, "slack_client_secret": self.slack.oauth.client_secret}
        ours = {"footnote_token_key": KEY, "slack_teams": f"{ACME},{BOLT},{GRID}", "slack_api_url": self.slack.url}
        return Settings(_env_file=None, **(events | app | ours | fields))

    @asynccontextmanager
    async def serving(
        self, *, drain: float = 8.0, socket: bool = False, departed: Departed | None = None, **settings: Any
    ) -> AsyncIterator[Browser]:
        """A process of Footnote whose assistant follows the script, and a browser at its address."""
        haste: dict[str, Any] = {"ping": 0.5, "grace": 2.0} if socket else {}
        bot = self.talk.bot(self.settings(socket=socket, **settings), departed=departed, **haste)
        async with self._listening(bot, Pending(self.redis, lease=self.talk.lease), drain) as browser:
            yield browser

    @asynccontextmanager
    async def whole(self, home: Path, **settings: Any) -> AsyncIterator[tuple[App, Browser]]:
        """A process of Footnote with all that is behind it; without a model it answers in quotes."""
        ours: dict[str, Any] = {"footnote_data_dir": home, "footnote_embeddings": "local:wordllama"}
        async with open_app(self.settings(**(ours | settings))) as app:
            await app.warm()
            background = [asyncio.create_task(work) for work in app.background()]
            assert app.slack is not None
            try:
                async with self._listening(app.slack, app.pending, 5.0) as browser:
                    yield app, browser
            finally:
                await cancelled(*background)

    @asynccontextmanager
    async def _listening(self, bot: SlackBot, pending: Pending, drain: float) -> AsyncIterator[Browser]:
        http = HttpServer("127.0.0.1", 0, {}, bot.http_handler, pages=bot.pages)
        await http.start()
        self.moved(f"http://127.0.0.1:{http.port}", socket=bot.http_handler is None)
        finishing: asyncio.Task[None] | None = None
        try:
            await bot.start()
            finishing = asyncio.create_task(finish_left_behind(pending, bot))
            async with Browser(f"http://127.0.0.1:{http.port}") as browser:
                yield browser
        finally:
            await bot.stop(drain)
            if finishing is not None:
                await cancelled(finishing)
            await http.stop()

    def moved(self, address: str, *, socket: bool = False) -> None:
        """The app is registered with another address."""
        registered = SEVERAL["oauth_config"]["redirect_urls"]
        self.slack.oauth.redirect_uris = [url.replace("https://YOUR-HOST", address) for url in registered]
        self.slack.courier.request_url = None if socket else f"{address}/slack/events"

    async def check(self) -> str:
        return await self.talk.bot(self.settings()).check()

    def environment(self, home: Path, model: OpenAIServer) -> dict[str, str]:
        """Of a process of its own; its pages are in ``home``."""
        return {
            "FOOTNOTE_DATA_DIR": str(home / "d"),
            "FOOTNOTE_FOLDER": str(home / "pages"),
            "FOOTNOTE_HTTP_PORT": "0",
            "FOOTNOTE_EMBEDDINGS": "local:wordllama",
            "FOOTNOTE_LOG_FORMAT": "json",
            "FOOTNOTE_LOG_LEVEL": "debug",
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": model.key,
            "SLACK_API_URL": self.slack.url,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_CLIENT_ID": self.slack.oauth.client_id,
            "SLACK_CLIENT_SECRET": self.slack.oauth.client_secret,
            "SLACK_TEAMS": f"{ACME},{BOLT}",
            "FOOTNOTE_TOKEN_KEY": KEY,
        }

    async def answers(self, team: SlackTeam, text: str, *, where: str = GENERAL) -> Post:
        """Ana asks there, and is answered there, once; the question."""
        question = await team.mention(ANA, where, text)
        reply = await team.until_reply(question, timeout=20)
        await team.until_shown(reply, f"You asked: {text}", timeout=20)
        assert len(team.replies(question)) == 1
        return question

    async def is_silent(self, team: SlackTeam, text: str = "are you there?") -> None:
        question = await team.mention(ANA, GENERAL, text)
        await self.slack.settled()
        await asyncio.sleep(0.3)
        assert team.replies(question) == []

    def tokens(self) -> set[str]:
        """All that Slack ever gave."""
        given = self.slack.oauth.installations
        refresh = {installation.refresh for installation in given if installation.refresh}
        return {token for installation in given for token in installation.tokens} | refresh


@asynccontextmanager
async def installing(script: Script | None = None) -> AsyncIterator[Installing]:
    """The app is made as both manifests say."""
    events = [manifest["settings"]["event_subscriptions"]["bot_events"] for manifest in (MANIFEST, SEVERAL)]
    async with dialogue(script or echo, subscriptions=frozenset().union(*events)) as talk:
        yield Installing(talk)


async def kept(redis: Redis) -> dict[str, str]:
    """All of Redis, by key, as one text each."""
    found = {}
    async for key in redis.scan_iter(count=1000):
        match await redis.type(key):
            case b"string":
                value: Any = await redis.get(key)
            case b"hash":
                value = await redis.hgetall(key)
            case b"zset":
                value = await redis.zrange(key, 0, -1, withscores=True)
            case b"set":
                value = await redis.smembers(key)
            case b"list":
                value = await redis.lrange(key, 0, -1)
            case _:
                value = await redis.xrange(key)
        found[key.decode()] = repr(value)
    return found
