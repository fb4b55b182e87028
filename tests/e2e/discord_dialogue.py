"""A conversation over the real discord.py client: an emulated server, the bot, and an assistant that follows a script."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bots.commands import Commands
from bots.discord.client import DiscordBot
from bots.redis import connect_redis
from bots.responder import Responder
from core.answering.gate import Gate
from core.answering.memory import Memory
from core.embedded.redis import RedisServer
from core.indexing.ledger import Row
from core.models import Answer, Audience, Citation, Message, SyncReport, SyncRequest, SyncState, SyncStatus
from core.settings import Settings
from tests.emulators.discord import DiscordServer
from tests.fakes import NOON, ScopedSource, Script, ScriptedAssistant, answer, groups

TRAVEL = Citation(
    number=1,
    document_id="folder:travel.md",
    title="Travel policy",
    url="https://wiki.acme.example/travel",
    quote="Thirty days.",
    updated_at=NOON,
)


@dataclass(frozen=True)
class Submitted:
    accepted: bool
    state: SyncState


class ScriptedJobs:
    """A queue with one worker that counts to ``steps`` documents, ``pause`` seconds each."""

    def __init__(self, steps: int = 3, pause: float = 0.02) -> None:
        self.requests: list[SyncRequest] = []
        self.steps = steps
        self.pause = pause
        self.failed: dict[str, Row] = {}

    async def submit(self, request: SyncRequest) -> Submitted:
        self.requests.append(request)
        return Submitted(True, SyncState(source=request.source, status=SyncStatus.WAITING, request=request))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        state = SyncState(source=request.source, status=SyncStatus.RUNNING, request=request, started_at=NOON)
        for seen in range(1, self.steps + 1):
            await asyncio.sleep(self.pause)
            yield replace(state, report=SyncReport(seen=seen))
        report = SyncReport(seen=self.steps, indexed=self.steps, failures=len(self.failed), seconds=1)
        yield replace(state, status=SyncStatus.DONE, finished_at=NOON, report=report)

    async def rows(self, source: str) -> dict[str, Row]:
        return self.failed

    async def states(self) -> dict[str, SyncState]:
        return {"handbook": SyncState(source="handbook", status=SyncStatus.DONE, finished_at=NOON)}


class CountedIndex:
    async def counts(self) -> dict[str, int]:
        return {"handbook": 12}


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
        self.groups: dict[str, tuple[str, ...]] = {}

    def bot(self, **settings: Any) -> DiscordBot:
        """Another bot of the same app, as in another process; not started."""
        fields = {"discord_bot_token": self.discord.token, "discord_api_url": self.discord.api_url} | settings
        loaded = Settings(_env_file=None, **fields)
        # Scripted parts stand where the real ones are typed.
        responder: Any = Responder(self.assistant, Gate(self.redis, rate_limit=1000))  # type: ignore[arg-type]
        commands: Any = Commands(
            jobs=self.jobs,  # type: ignore[arg-type]
            index=CountedIndex(),  # type: ignore[arg-type]
            memory=Memory(self.redis, turns=20, ttl=timedelta(days=1)),
            sources={"handbook": ScopedSource("handbook")},  # type: ignore[dict-item]
            admins=frozenset({f"discord:{self.root.id}"}),
            interval=timedelta(minutes=10),
        )
        return DiscordBot(loaded, responder, commands, groups(self.groups), clock=self.discord.clock)

    @asynccontextmanager
    async def running(self, bot: DiscordBot | None = None, *, drain: float = 5.0) -> AsyncIterator[DiscordBot]:
        bot = bot or self.bot()
        try:
            await bot.start()
            yield bot
        finally:
            await bot.stop(drain)


@asynccontextmanager
async def scene(script: Script | None = None) -> AsyncIterator[Dialogue]:
    """People, a channel, and a bot that is not started yet."""
    with tempfile.TemporaryDirectory(prefix="fn-") as folder:
        socket = Path(folder) / "redis.sock"
        engine = RedisServer(Path(folder), socket)
        await engine.start()
        await engine.ready()
        redis = connect_redis(None, socket)
        try:
            async with DiscordServer() as discord:
                yield Dialogue(discord, redis, script or says("You have **30 days** [1].", TRAVEL))
        finally:
            await redis.aclose()
            await engine.stop()


@asynccontextmanager
async def dialogue(
    script: Script | None = None, *, prepare: Callable[[Dialogue], None] = lambda _: None
) -> AsyncIterator[Dialogue]:
    """The same with the bot running; ``prepare`` changes what is there before it connects."""
    async with scene(script) as talk:
        prepare(talk)
        async with talk.running():
            yield talk
