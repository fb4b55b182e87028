"""Accounts that are known by an e-mail address: ``discord:456`` is ``user:ana@acme.com``.

Discord tells no addresses. Who is known by one elsewhere gets a code for it, and the account that gives the code is linked
with the address for 90 days. Everything stands in Redis, where losing it only takes rights away: under ``footnote:{links}:``
a code by its hash, the code that was issued last by address, wrong tries by account, links by account and by address.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog

from core.audit import OFF, Audit
from core.errors import TransientError, UserError
from core.models import Principal
from core.outage import Outage
from core.principals import parse_principal
from core.redis import text

if TYPE_CHECKING:
    from redis.asyncio import Redis

Result = TypeVar("Result")

CODE_LIFE = timedelta(minutes=10)
LINK_LIFE = timedelta(days=90)
MOST_TRIES = 5
"""Wrong codes that an account may give within an hour."""
HOLD_SECONDS = 60.0
"""So late may it be noticed that a link was taken away."""

_PREFIX = "footnote:{links}:"
_HELD = 10_000
"""Accounts, about 2 MB."""
_TIMEOUT = 1.0
"""Seconds that a question waits for this."""
_ALPHABET = "ACDEFHJKLMNPQRTUVWXY34679"
"""Nothing that looks like something else of it: 4.6 bits each."""
_LENGTH = 8

_REDEEM = """
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return -1
end
local address = redis.call('GETDEL', KEYS[1])
if not address then
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], 3600)
end
return address
"""

log = structlog.get_logger(__name__)


class Links:
    def __init__(
        self,
        redis: Redis,
        domains: Collection[str] = (),
        *,
        audit: Audit = OFF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Only addresses of these ``domains`` count, if there are any. ``clock`` in seconds."""
        self._redis = redis
        self._domains = domains
        self._audit = audit
        self._clock = clock
        self._outage = Outage("nobody is known by a linked address", timeout=_TIMEOUT)
        self._held: dict[str, tuple[float, Principal | None]] = {}

    async def issue(self, address: str) -> str:
        """A code, ``ABCD-EFGH``, that links whoever gives it with this address; the one before is void.

        Raises UserError for what is no address of ours, or TransientError.
        """
        person = _person(address)
        if not self._counts(person):
            raise UserError(f"{address} is not of a domain that FOOTNOTE_EMAIL_DOMAINS names.")
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        key = await _code_key(code)

        async def keep() -> Any:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.set(key, person, ex=CODE_LIFE)
                pipeline.set(_issued_key(person), key, ex=CODE_LIFE, get=True)
                _, former = await pipeline.execute()
            return former and await self._redis.delete(former)

        await self._reach(keep)
        return f"{code[:4]}-{code[4:]}"

    async def redeem(self, account: str, code: str) -> Principal:
        """Link an account with the address that the code was issued for. Raises UserError or TransientError."""
        keys = [await _code_key(code), f"{_PREFIX}tries:{account}"]
        found = await self._reach(lambda: self._redis.eval(_REDEEM, 2, *keys, str(MOST_TRIES)))
        if found == -1:
            raise UserError(f"You gave {MOST_TRIES} codes that are not valid. Please try again in an hour, with a new one.")
        if found is None:
            raise UserError("This code is not valid. A code works once, for ten minutes: please get a new one.")
        person = text(found)

        async def keep() -> Any:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.sadd(_accounts_key(person), account)
                pipeline.expire(_accounts_key(person), LINK_LIFE)
                pipeline.set(_link_key(account), person, ex=LINK_LIFE)
                return await pipeline.execute()

        await self._reach(keep)
        self._held.pop(account, None)
        self._audit.record("account.linked", who=account, address=person)
        log.info("account.linked", account=account)
        return person

    async def unlink(self, name: str) -> int:
        """Take away the link of an account, or all links with an address and the code that was issued for it: how many links.

        Raises TransientError.
        """
        removed = await self._reach(lambda: self._unlink_address(_person(name)) if "@" in name else self._unlink(name))
        self._audit.record("account.unlinked", who=name, links=removed)
        log.info("account.unlinked", links=removed)
        return removed

    async def of(self, accounts: Collection[str]) -> dict[str, Principal]:
        """The addresses, as principals, of those accounts that are linked. While Redis is away nobody newly asked for is."""
        now = self._clock()
        asked = [account for account in accounts if account not in self._held or self._held[account][0] <= now]
        if asked:
            for account in asked:
                self._held.pop(account, None)
            with suppress(TransientError):
                values = await self._outage.reach(lambda: self._redis.mget(list(map(_link_key, asked))))
                self._held |= {
                    account: (now + HOLD_SECONDS, text(value) if value else None)
                    for account, value in zip(asked, values, strict=True)
                }
        found = {account: self._held[account][1] for account in accounts if account in self._held}
        while len(self._held) > _HELD:
            del self._held[next(iter(self._held))]
        return {account: person for account, person in found.items() if person and self._counts(person)}

    async def accounts(self, person: Principal) -> frozenset[str]:
        """The accounts that are linked with an address, ``user:ana@acme.com``. Raises TransientError."""
        return frozenset(await self._reach(lambda: self._linked(person))) if self._counts(person) else frozenset()

    def _counts(self, person: Principal) -> bool:
        return not self._domains or person.rpartition("@")[2] in self._domains

    async def _unlink_address(self, person: Principal) -> int:
        if code := await self._redis.getdel(_issued_key(person)):
            await self._redis.delete(code)
        # One that was linked with another address since is not touched.
        removed = sum([await self._unlink(account) for account in await self._linked(person)])
        await self._redis.delete(_accounts_key(person))
        return removed

    async def _linked(self, person: Principal) -> list[str]:
        accounts = {text(account) for account in await cast("Awaitable[set[Any]]", self._redis.smembers(_accounts_key(person)))}
        return [account for account in sorted(accounts) if await self._redis.get(_link_key(account)) in (person, person.encode())]

    async def _unlink(self, account: str) -> int:
        self._held.pop(account, None)
        return int(await self._redis.delete(_link_key(account)))

    async def _reach(self, call: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await self._outage.reach(call)
        except TransientError as error:
            raise TransientError("Links cannot be looked up or changed right now. Please try again in a minute.") from error


def _person(address: str) -> Principal:
    try:
        person = parse_principal(f"user:{address.strip().removeprefix('user:')}")
    except ValueError:
        person = ""
    if not re.fullmatch(r"user:[^@:]+@[^@:]+", person):
        raise UserError(f"{address!r} is no e-mail address.")
    return person


async def _code_key(code: str) -> str:
    """By a hash that is slow to make: who reads Redis shall not find the code by trying while it lives."""
    letters = "".join(filter(str.isalnum, code.upper())).encode(errors="replace")
    digest = await asyncio.to_thread(hashlib.scrypt, letters, salt=_PREFIX.encode(), n=1 << 14, r=8, p=1, dklen=16)
    return f"{_PREFIX}code:{digest.hex()}"


def _issued_key(person: Principal) -> str:
    return f"{_PREFIX}issued:{person}"


def _link_key(account: str) -> str:
    return f"{_PREFIX}account:{account}"


def _accounts_key(person: Principal) -> str:
    return f"{_PREFIX}address:{person}"
