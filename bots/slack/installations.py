"""The workspaces that installed Footnote, with their tokens: encrypted, in Redis, until they uninstall it."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import LockError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore

from core.errors import ConfigError, TransientError
from core.outage import Outage
from core.redis import text

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

_KEY = "footnote:slack:installations"
"""A hash: id of the team, or of the organisation, to what is kept of it."""
_TIMEOUT = 2.0
_LOCKED_SECONDS = 30.0
_EARLY_SECONDS = 7200.0
"""So long before it expires a token is renewed; earlier of one that does not live twelve hours."""
_LEAVING = "footnote:slack:leaving"
# Another process may have written meanwhile.
_EXCHANGE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""


_DELETE = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""


@dataclass(frozen=True, kw_only=True)
class Installed:
    id: str
    """The team's; the organisation's (``E…``), where all of one is one installation."""
    name: str
    user: str
    """Our user id there."""
    bot: str
    """Our bot id there."""
    token: str = field(repr=False)
    at: float
    """When the token was given, as all times here in seconds since 1970."""
    expires_at: float | None = None
    """None: never."""
    refresh_token: str = field(default="", repr=False)
    organisation: str = ""
    """The one that the workspace belongs to, if any."""

    def is_due(self, now: float) -> bool:
        """Whether the token is to be renewed: a good while before it expires."""
        if self.expires_at is None:
            return False
        return now >= self.expires_at - min(_EARLY_SECONDS, (self.expires_at - self.at) / 6)

    def is_over(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at


_INSTALLED: TypeAdapter[Installed] = TypeAdapter(Installed)


class Installations(AsyncInstallationStore):
    """All methods raise TransientError while Redis does not answer, and those that read ConfigError for what no key opens."""

    def __init__(self, redis: Redis, keys: Sequence[str], *, clock: Callable[[], float] = time.time) -> None:
        """The first of the ``keys`` encrypts, all of them decrypt."""
        self._redis = redis
        self._fernets = [Fernet(_fernet_key(key)) for key in keys]
        self._fernet = MultiFernet(self._fernets)
        self._clock = clock
        self._outage = Outage("no workspace can install Footnote, and no token is renewed", timeout=_TIMEOUT)

    async def async_save(self, installation: Installation) -> None:
        """What Slack's own library made of an installation."""
        await self.save(installed(installation, self._clock()))

    async def save(self, installed: Installed) -> None:
        kept = self._fernet.encrypt(_INSTALLED.dump_json(installed))
        await self._outage.reach(lambda: cast("Any", self._redis.hset(_KEY, installed.id, kept.decode())))

    async def find(self, id: str) -> Installed | None:
        raw = await self.kept(id)
        return self.read(id, raw) if raw else None

    async def kept(self, id: str) -> str | None:
        """What :meth:`read` reads: another text whenever it was saved anew."""
        raw = await self._outage.reach(lambda: cast("Any", self._redis.hget(_KEY, id)))
        return text(raw) if raw else None

    async def all(self) -> Mapping[str, str]:
        """As :meth:`kept`, of each by its id."""
        found = await self._outage.reach(lambda: cast("Any", self._redis.hgetall(_KEY)))
        return {text(id): text(raw) for id, raw in found.items()}

    async def delete(self, id: str, raw: str) -> bool:
        """Whether there was this one; another one stays."""
        return bool(await self._outage.reach(lambda: cast("Any", self._redis.eval(_DELETE, 1, _KEY, id, raw))))

    async def note_leaving(self, id: str, how: str) -> None:
        await self._outage.reach(lambda: cast("Any", self._redis.hset(_LEAVING, f"{id} {how}", 1)))

    async def left(self, id: str, how: str) -> None:
        await self._outage.reach(lambda: cast("Any", self._redis.hdel(_LEAVING, f"{id} {how}")))

    async def leaving(self) -> list[tuple[str, str]]:
        """The workspaces that are being parted from, and how."""
        found = await self._outage.reach(lambda: cast("Any", self._redis.hkeys(_LEAVING)))
        return [(id, how) for id, _, how in (text(name).partition(" ") for name in found)]

    def read(self, id: str, raw: str) -> Installed:
        try:
            installed = _INSTALLED.validate_json(self._fernet.decrypt(raw))
        except (InvalidToken, ValidationError) as error:
            raise ConfigError(
                f"FOOTNOTE_TOKEN_KEY does not open the token of the Slack workspace {id}: put the key that it was written with "
                "behind the new one, after a comma, or have the workspace install Footnote again"
            ) from error
        if installed.id != id:
            # Somebody who writes to Redis put one workspace's token in the place of another's.
            raise ConfigError(f"What is kept of the Slack workspace {id} is another one's: have it install Footnote again")
        return installed

    async def encrypt_anew(self) -> int:
        """With the first key what another one opens, so that the others can be dropped: how many."""
        changed = 0
        for id, raw in (await self.all()).items():
            try:
                self._fernets[0].decrypt(raw)
            except InvalidToken:
                try:
                    anew = self._fernet.rotate(raw).decode()
                except InvalidToken:
                    continue  # Whoever reads it says so.
                changed += await self._exchange(id, raw, anew)
        return changed

    @asynccontextmanager
    async def renewing(self, id: str) -> AsyncIterator[None]:
        """Nobody else renews this token meanwhile, in any process: a refresh token works once."""
        lock = self._redis.lock(f"footnote:slack:renewing:{id}", timeout=_LOCKED_SECONDS)
        await self._outage.reach(lambda: cast("Any", lock.acquire()), timeout=_LOCKED_SECONDS)
        try:
            yield
        finally:
            try:
                await self._outage.reach(lambda: cast("Any", lock.release()))
            except (LockError, TransientError) as error:
                log.warning("lock.not_released", workspace=id, error=type(error).__name__)

    async def _exchange(self, id: str, raw: str, anew: str) -> int:
        return int(await self._outage.reach(lambda: cast("Any", self._redis.eval(_EXCHANGE, 1, _KEY, id, raw, anew))))


def installed(installation: Installation, now: float) -> Installed:
    """``now`` is when it was made."""
    organisation = installation.is_enterprise_install
    id = installation.enterprise_id if organisation else installation.team_id
    name = installation.enterprise_name if organisation else installation.team_name
    expires_at = installation.bot_token_expires_at
    return Installed(
        id=id or "",
        name=name or id or "",
        user=installation.bot_user_id or "",
        bot=installation.bot_id or "",
        token=installation.bot_token or "",
        at=now,
        expires_at=float(expires_at) if expires_at else None,
        refresh_token=installation.bot_refresh_token or "",
        organisation=installation.enterprise_id or "",
    )


def _fernet_key(key: str) -> bytes:
    """A key that is one already, else one made of it: it is long enough not to be guessed."""
    try:
        Fernet(key)
    except ValueError:
        return base64.urlsafe_b64encode(hashlib.sha256(b"footnote: tokens\0" + key.encode()).digest())
    return key.encode()
