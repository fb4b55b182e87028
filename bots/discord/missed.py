"""What was said while the bot had no session: looked up when it has one again, and heard as if it were said now.

A session that is resumed needs none of this, because Discord brings what was missed by itself. The server tells with a new
session what the latest message of each channel is, so only channels in which something was said are read. What is heard
twice is claimed once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import discord
import structlog

from core.errors import TransientError
from core.outage import Outage
from core.redis import text
from core.retry import retry

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

WITHIN = timedelta(minutes=15)
"""Who asked earlier than that does not wait any more."""
_OVERLAP = timedelta(seconds=10)
"""Before the last message that was noted: what came in then may have been lost with its process."""
_NOTED_EVERY = timedelta(seconds=3)
_MOST_CHANNELS = 50
"""Of a server, and of people: those with the newest messages."""
_MOST_MESSAGES = 100
"""Of a channel; as many as Discord tells at once."""
_AT_ONCE = 4
"""Servers that are looked through at the same time."""
_KEPT = timedelta(days=30)
_PEOPLE_FOR = timedelta(days=1)
_TIMEOUT = 1.0

_DIRECT = 0
"""What stands for direct messages among the ids of servers."""
_SERVERS = "footnote:discord:heard"
"""A hash: the id of a server, and that of a message up to which everything there was heard."""
_PEOPLE = "footnote:discord:people"
"""A sorted set of ``user:channel``, by the milliseconds of the last direct message."""

Read = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread | discord.DMChannel


class Missed:
    """Losing Redis costs what is said while no process listens, nothing else."""

    def __init__(self, redis: Redis, clock: Callable[[], datetime]) -> None:
        self._redis = redis
        self._clock = clock
        self._outage = Outage("what is said while Footnote is away is not answered later", timeout=_TIMEOUT)
        self._noted: dict[int, datetime] = {}
        self._behind: set[int] = set()
        self._looking = asyncio.Semaphore(_AT_ONCE)

    def fell_behind(self, guilds: Iterable[discord.Guild]) -> None:
        """A session of these servers begins anew: until they are looked through, what is heard there is not all that was said."""
        self._behind.update(guild.id for guild in guilds)

    async def heard(self, message: discord.Message) -> None:
        """Note how far everything was heard."""
        if (message.guild.id if message.guild else _DIRECT) in self._behind:
            return
        if isinstance(message.channel, discord.DMChannel):
            if not message.author.bot:
                await self._note_person(message)
        elif message.guild is not None:
            noted = self._noted.get(message.guild.id)
            if noted is None or message.created_at - noted >= _NOTED_EVERY:
                self._noted[message.guild.id] = message.created_at
                await self._note_server(message.guild.id, message.id)

    async def in_server(self, client: discord.Client, guild: discord.Guild) -> None:
        """Hear what was said on a server of which the gateway tells anew. Of one that is new to us nothing is looked up."""
        try:
            await self._look_through(client, guild)
        finally:
            self._behind.discard(guild.id)

    async def _look_through(self, client: discord.Client, guild: discord.Guild) -> None:
        async with self._looking:
            try:
                noted = await self._outage.reach(lambda: cast("Any", self._redis.hget(_SERVERS, str(guild.id))))
            except TransientError:
                return
            if noted is None:
                await self._note_server(guild.id, discord.utils.time_snowflake(self._clock()))
                return
            after = self._after(discord.utils.snowflake_time(int(noted)))
            missed: list[discord.Message] = []
            for channel in _with_news(guild, after):
                missed += await _since(channel, after)
            self._hear(client, missed, guild=guild.id)

    async def from_people(self, client: discord.Client) -> None:
        """Hear what was said in direct messages, of which no session tells anything."""
        self._behind.add(_DIRECT)
        try:
            self._hear(client, await self._from_people(client))
        finally:
            self._behind.discard(_DIRECT)

    async def _from_people(self, client: discord.Client) -> list[discord.Message]:
        oldest = _milliseconds(self._clock() - _PEOPLE_FOR)
        try:
            known: list[tuple[bytes, float]] = await self._outage.reach(
                lambda: cast(
                    "Any",
                    self._redis.zrevrangebyscore(_PEOPLE, "+inf", oldest, start=0, num=_MOST_CHANNELS, withscores=True),
                )
            )
        except TransientError:
            return []
        missed: list[discord.Message] = []
        for member, last in known:
            after = self._after(datetime.fromtimestamp(last / 1000, UTC))
            with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
                channel = await client.fetch_channel(int(text(member).partition(":")[2]))
                if isinstance(channel, discord.DMChannel):
                    missed += await _since(channel, after)
        return missed

    def _after(self, noted: datetime) -> int:
        """The id behind which messages count."""
        return discord.utils.time_snowflake(max(noted - _OVERLAP, self._clock() - WITHIN))

    def _hear(self, client: discord.Client, missed: list[discord.Message], **where: int) -> None:
        if missed:
            log.info("messages.looked_up", count=len(missed), **where)
        for message in sorted(missed, key=lambda message: message.id):
            client.dispatch("message", message)

    async def _note_server(self, guild: int, message: int) -> None:
        async def write() -> None:
            await cast("Any", self._redis.hset(_SERVERS, str(guild), str(message)))
            await self._redis.expire(_SERVERS, _KEPT)

        with suppress(TransientError):
            await self._outage.reach(write)

    async def _note_person(self, message: discord.Message) -> None:
        member = f"{message.author.id}:{message.channel.id}"

        async def write() -> None:
            await self._redis.zadd(_PEOPLE, {member: _milliseconds(message.created_at)}, gt=True)
            await self._redis.zremrangebyscore(_PEOPLE, "-inf", _milliseconds(self._clock() - _PEOPLE_FOR))
            await self._redis.expire(_PEOPLE, _PEOPLE_FOR)

        with suppress(TransientError):
            await self._outage.reach(write)


def _with_news(guild: discord.Guild, after: int) -> list[Read]:
    """The channels and threads that we may read and in which something was said, the newest first."""
    channels: list[Read] = [*guild.text_channels, *guild.voice_channels, *guild.stage_channels]
    channels += [thread for thread in guild.threads if thread.parent is not None]
    news = [channel for channel in channels if _latest(channel) > after]
    readable = [channel for channel in news if channel.permissions_for(guild.me).read_message_history]
    return sorted(readable, key=_latest, reverse=True)[:_MOST_CHANNELS]


def _latest(channel: Any) -> int:
    return channel.last_message_id or 0


async def _since(channel: Read, after: int) -> list[discord.Message]:
    """The newest messages behind an id. None of a channel that does not tell them: the others are heard all the same."""

    async def read() -> list[discord.Message]:
        try:
            history = channel.history(after=discord.Object(after), limit=_MOST_MESSAGES, oldest_first=False)
            return [message async for message in history]
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"Discord could not be reached ({type(error).__name__}).") from error

    try:
        return await retry(read, attempts=4, budget=20)
    except (discord.HTTPException, TransientError) as error:
        log.warning("messages.not_looked_up", channel=channel.id, error=type(error).__name__)
        return []


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


async def forget_person(redis: Redis, user: str) -> None:
    """Drop what is kept of the direct messages of a person (``discord:1``). Raises what the client raises."""
    person = user.removeprefix("discord:")
    async for member, _ in redis.zscan_iter(_PEOPLE, match=f"{person}:*"):
        await cast("Any", redis.zrem(_PEOPLE, member))
