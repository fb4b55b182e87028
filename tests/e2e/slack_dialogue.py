"""A conversation over the real slack_bolt client: an emulated workspace, the bot, and an assistant that follows a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from bots.command import Command, CommandReply
from bots.desk import AnswerDesk
from bots.finishing import finish_left_behind
from bots.http import HttpServer
from bots.overview import Overview
from bots.pending import Pending
from bots.responder import Responder
from bots.slack.app import SlackBot
from core.answering.gate import Gate
from core.channels import Channels
from core.models import Answer, Audience, Message
from core.settings import Settings
from core.together import cancelled
from tests.emulators.slack import SlackServer
from tests.fakes import Script, ScriptedAssistant, answer, groups
from tests.one_redis import empty_redis

ANA, BEN = "U1ANA", "U2BEN"
GENERAL, SECRET = "C1GENERAL", "G1SECRET"


class ScriptedCommands:
    """Commands that do what a test wants; remembers what was asked."""

    def __init__(self, script: Callable[[Command, CommandReply], Awaitable[None]] | None = None) -> None:
        self._script = script
        self.asked: list[Command] = []

    async def run(self, command: Command, reply: CommandReply) -> None:
        self.asked.append(command)
        if self._script:
            await self._script(command, reply)
        else:
            await reply.say(f"You said `{command.name}`.")


def says(text: str, *, seconds: float = 0.0) -> Script:
    """An assistant that thinks for a while and then gives this answer."""

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await asyncio.sleep(seconds)
        yield answer(text, question=message.text)

    return script


class Dialogue:
    def __init__(self, slack: SlackServer, redis: Redis, script: Script | None, commands: ScriptedCommands | None) -> None:
        self.slack = slack
        self.redis = redis
        self.assistant = ScriptedAssistant(script)
        self.commands: Any = commands or ScriptedCommands()
        self.groups: dict[str, tuple[str, ...]] = {}
        self.desk: AnswerDesk | None = None
        self.overview: Overview | None = None
        self.lease = 2.0
        """Seconds after which a question of a process that died is taken over."""
        self._pending: dict[SlackBot, Pending] = {}

    def settings(self, **fields: Any) -> Settings:
        tokens = {"slack_bot_token": self.slack.bot_token, "slack_api_url": self.slack.url}
        return Settings(_env_file=None, **(tokens | fields))

    def socket_bot(self, **options: Any) -> SlackBot:
        """A bot over Socket Mode, not started; quicker to notice a loss than in production."""
        settings = self.settings(slack_app_token=self.slack.app_token)
        return self.bot(settings, **({"ping": 0.5, "grace": 2.0} | options))

    def http_bot(self) -> SlackBot:
        return self.bot(self.settings(slack_signing_secret=self.slack.signing_secret))

    def bot(self, settings: Settings, **options: Any) -> SlackBot:
        # As in another process: the gate and the questions are shared through Redis alone.
        gate, pending = Gate(self.redis, rate_limit=1000), Pending(self.redis, lease=self.lease)
        channels = Channels(self.redis)
        responder = Responder(self.assistant, gate, desk=self.desk, pending=pending, channels=channels)  # type: ignore[arg-type]  # scripted
        known = {"channels": channels, "overview": self.overview}
        bot = SlackBot(settings, responder, self.commands, self.redis, groups(self.groups), **(known | options))
        self._pending[bot] = pending
        return bot

    @asynccontextmanager
    async def running(self, bot: SlackBot | None = None, *, drain: float = 8.0) -> AsyncIterator[SlackBot]:
        bot = bot or self.socket_bot()
        http = None
        if bot.http_handler is not None:
            http = HttpServer("127.0.0.1", 0, {}, bot.http_handler)
            await http.start()
            self.slack.courier.request_url = f"http://127.0.0.1:{http.port}/slack/events"
        finishing: asyncio.Task[None] | None = None
        try:
            await bot.start()
            finishing = asyncio.create_task(finish_left_behind(self._pending[bot], bot))
            yield bot
        finally:
            await bot.stop(drain)
            if finishing is not None:
                await cancelled(finishing)
            if http is not None:
                await http.stop()


@asynccontextmanager
async def dialogue(
    script: Script | None = None, *, commands: ScriptedCommands | None = None, **server: Any
) -> AsyncIterator[Dialogue]:
    """Ana, a member, and Ben, a guest, in #general, and a bot that is not started yet. Nothing it posts may have a flaw."""
    async with empty_redis() as redis, SlackServer(**server) as slack:
        slack.user(ANA, name="Ana", email="ana@acme.com")
        slack.user(BEN, name="Ben", email="ben@guest.example", is_restricted=True)
        slack.channel(GENERAL)
        slack.channel(SECRET, private=True)
        yield Dialogue(slack, redis, script, commands)
        assert slack.flaws == []
