"""A workspace that uninstalled Footnote: nothing is kept of it but what the audit log says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

import structlog

from core.errors import TransientError
from core.redis import AWAY, text

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bots.upload import Adding
    from core.indexing.uploads import Uploads

log = structlog.get_logger(__name__)

_PERSON = re.compile(r"\{(slack:[^:}]+:[UW][A-Z0-9]+)\}$")

ForgetPerson = Callable[[str], Awaitable[int]]


class Told(Protocol):
    """What people told of answers, and of what others asked."""

    async def people(self) -> Collection[str]: ...

    async def forget_person(self, user: str) -> int: ...


class Departed:
    """Everything may be done again, after it failed in between."""

    def __init__(
        self, redis: Redis, adding: Adding, uploads: Uploads, forget: Sequence[ForgetPerson], told: Sequence[Told]
    ) -> None:
        """``forget`` are what deletes what is kept of a person's questions."""
        self._redis = redis
        self._adding = adding
        self._uploads = uploads
        self._forget = forget
        self._told = told

    async def __call__(self, id: str) -> None:
        """``id`` is that of the installation. Raises TransientError."""
        mine = f"slack:{id}:"
        try:
            # Their indexes name what belongs to them, so they go before the sweep.
            people = {found[1] async for key in self._keys(f"footnote:*{mine}*") if (found := _PERSON.search(key))}
            for person in sorted(people):
                for forget in self._forget:
                    await forget(person)
            for told in self._told:
                for person in sorted(person for person in await told.people() if person.startswith(mine)):
                    await told.forget_person(person)
            keys = 0
            for pattern in (f"footnote:*{mine}*", f"footnote:slack:*:{id}", f"footnote:slack:*:{id}:*"):
                async for key in self._keys(pattern):
                    keys += int(await self._redis.delete(key))
        except AWAY as error:
            raise TransientError("Redis does not answer, so not everything of a Slack workspace was deleted") from error
        files = [file for file in await self._uploads.all() if file.place.startswith((f"channel:{mine}", mine))]
        for file in files:
            await self._adding.remove(file, f"slack:{id}")
        log.info("workspace.forgotten", workspace=id, people=len(people), keys=keys, files=len(files))

    async def _keys(self, pattern: str) -> AsyncIterator[str]:
        async for key in self._redis.scan_iter(match=pattern, count=1000):
            yield text(key)
