"""A conversation over the real discord.py client: an emulated server, the bot, and an assistant that follows a script."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bots.choices import Choices
from bots.command import Action, Command
from bots.commands.config import CONFIG, ConfigCommand
from bots.commands.retry import Retry
from bots.discord.client import DiscordBot
from bots.discord.pace import INTERVAL
from bots.finishing import finish_left_behind
from bots.pending import Pending
from bots.responder import RETRY, Responder
from core.answering.gate import Gate
from core.channels import ChannelConfig, Channels
from core.links import Links
from core.models import PUBLIC, Answer, Audience, Citation, Message
from core.settings import Settings
from core.together import cancelled
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.emulators.discord import DiscordServer
from tests.emulators.discord_rest import EDIT_SECONDS
from tests.emulators.discord_world import Channel
from tests.fakes import NOON, Script, ScriptedAssistant, answer, groups
from tests.one_redis import empty_redis

QUICK = 4.0
"""So many times as fast as Discord lets messages be edited, in tests that are not about that."""

TRAVEL = Citation(
    number=1,
    document_id="folder:travel.md",
    title="Travel policy",
    url="https://wiki.acme.example/travel",
    quote="Thirty days.",
    updated_at=NOON,
)


def says(text: str, *citations: Citation, seconds: float = 0.0) -> Script:
    """An assistant that thinks for a while and then gives this answer."""

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await asyncio.sleep(seconds)
        yield replace(answer(text, question=message.text), citations=citations)

    return script


def held(text: str) -> tuple[Script, asyncio.Event]:
    """An assistant that gives this answer once the event is set."""
    released = asyncio.Event()

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await released.wait()
        yield answer(text, question=message.text)

    return script, released


def writes(*pieces: str, pause: float = 0.0, whole: Answer | None = None) -> Script:
    """An assistant that streams these, each after a pause of so many seconds, and then gives the whole as its answer."""

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        for piece in pieces:
            await asyncio.sleep(pause)
            yield piece
        yield replace(whole or answer("".join(pieces)), question=message.text)

    return script


class Dialogue:
    """Ana is a member with the role People Ops; Root is a server administrator and Footnote's."""

    def __init__(self, discord: DiscordServer, redis: Redis, script: Script) -> None:
        self.discord = discord
        self.redis = redis
        self.people_ops = discord.role("People Ops")
        self.ana = discord.user("Ana", roles=(self.people_ops,))
        self.root = discord.user("Root", admin=True)
        self.general = discord.channel("general")
        self.assistant = ScriptedAssistant(script)
        self.jobs = ScriptedJobs()
        self.admins = {f"discord:{self.root.id}"}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.channels = Channels(redis)
        self.sources = {"handbook": PUBLIC}
        """Who may read something in each."""
        self.sources_take = 0.0
        """Seconds until it is told."""
        self.more: dict[str, Action] = {RETRY: Retry(Pending(redis)).run}
        """Commands besides those of every bot."""
        self.lease = 2.0
        """Seconds after which a question of a process that died is taken over."""
        self.hurry(QUICK)
        self.folder = Path()
        """Where a test may write."""
        self._pending: dict[DiscordBot, Pending] = {}

    def bot(self, **settings: Any) -> DiscordBot:
        """Another bot of the same app, as in another process; not started."""
        fields = {
            "discord_bot_token": self.discord.token,
            "discord_api_url": self.discord.api_url,
            "footnote_admins": tuple(self.admins),
        }
        loaded = Settings(_env_file=None, **(fields | settings))
        # Scripted parts stand where the real ones are typed.
        gate = Gate(self.redis, rate_limit=1000)
        pending = Pending(self.redis, lease=self.lease)
        responder: Any = Responder(self.assistant, gate, pending=pending, channels=self.channels)  # type: ignore[arg-type]
        config = ConfigCommand(self.channels, self._sources, frozenset(self.admins), model=True)
        commands: Any = commands_over(self.jobs, self.redis, admins=self.admins, more={CONFIG: config.run, **self.more})
        bot = DiscordBot(
            loaded,
            responder,
            commands,
            groups(self.groups),
            Links(self.redis).of,
            channels=self.channels,
            choices=Choices(self._readable),
            redis=self.redis,
            clock=self.discord.clock,
            edit_interval=self.edit_interval,
        )
        self._pending[bot] = pending
        return bot

    async def _readable(self, audience: Audience) -> list[str]:
        await asyncio.sleep(self.sources_take)
        return [name for name, access in self.sources.items() if audience.may_read(access)]

    async def _sources(self, command: Command) -> list[str]:
        return await self._readable(Audience.of(command.principals))

    def hurry(self, times: float) -> None:
        """A Discord that takes edits so many times as fast, and bots that make them; 1 is the real one."""
        self.edit_interval = INTERVAL / times
        self.discord.rest.edit_seconds = EDIT_SECONDS / times

    async def set(self, channel: Channel, **settings: Any) -> None:
        """Change how the bot behaves in a channel."""
        await self.channels.change("discord", str(channel.id), ChannelConfig(**settings))

    @property
    def members(self) -> Audience:
        """Of #general, which everybody on the server sees."""
        return Audience.of([f"role:discord:{self.discord.guild_id}", f"channel:discord:{self.general.id}"])

    @asynccontextmanager
    async def running(self, bot: DiscordBot | None = None, *, drain: float = 5.0) -> AsyncIterator[DiscordBot]:
        bot = bot or self.bot()
        finishing: asyncio.Task[None] | None = None
        try:
            await bot.start()
            finishing = asyncio.create_task(finish_left_behind(self._pending[bot], bot))
            yield bot
        finally:
            await bot.stop(drain)
            if finishing is not None:
                await cancelled(finishing)


@asynccontextmanager
async def scene(script: Script | None = None) -> AsyncIterator[Dialogue]:
    """People, a channel, and a bot that is not started yet."""
    with tempfile.TemporaryDirectory(prefix="fn-") as folder:
        async with empty_redis() as redis, DiscordServer() as discord:
            talk = Dialogue(discord, redis, script or says("You have **30 days** [1].", TRAVEL))
            talk.folder = Path(folder)
            yield talk


@asynccontextmanager
async def dialogue(
    script: Script | None = None, *, prepare: Callable[[Dialogue], None] = lambda _: None
) -> AsyncIterator[Dialogue]:
    """The same with the bot running; ``prepare`` changes what is there before it connects."""
    async with scene(script) as talk:
        prepare(talk)
        async with talk.running():
            yield talk
