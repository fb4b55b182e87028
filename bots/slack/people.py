"""Who people are: what they are called, and which principals they hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.platform import Groups
from bots.slack.client import failure
from core.models import ANYONE, Audience, Message, Principal
from core.principals import expand

log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
"""A person who leaves, or becomes a guest, keeps their rights for at most this long."""
_KNOWN = 10_000
_NOT_FULL_MEMBERS = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user")


@dataclass(frozen=True, kw_only=True)
class Person:
    id: str
    name: str
    email: str | None = None
    """Lower-case, and only of a full member of our workspace whose address Slack has confirmed."""


class SlackPeople:
    """users.info, remembered for five minutes and asked once at a time for each person."""

    def __init__(
        self,
        client: AsyncWebClient,
        team: str,
        groups: Groups,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._team = team
        self._groups = groups
        self._clock = clock
        self._known: dict[str, tuple[float, Person]] = {}
        self._asked: dict[str, asyncio.Task[Person]] = {}

    async def find(self, user_id: str) -> Person:
        """Never raises: of whom Slack says nothing, only the id is known."""
        known = self._known.get(user_id)
        if known and self._clock() - known[0] < FRESH_SECONDS:
            return known[1]
        return await asyncio.shield(self._ask_once(user_id))

    async def names(self, user_ids: Collection[str], *, within: float = 1.0) -> dict[str, str]:
        """What they are called; whoever cannot be looked up in ``within`` seconds is left out."""
        asking = {user_id: asyncio.ensure_future(self.find(user_id)) for user_id in sorted(user_ids)[:20]}
        await asyncio.wait(asking.values(), timeout=within)
        for late in asking.values():
            late.cancel()
        return {user_id: task.result().name for user_id, task in asking.items() if task.done() and not task.cancelled()}

    async def audience_of(self, message: Message) -> Audience:
        """Who will see the answer: in a direct message the asker, elsewhere people of whom nothing is assumed."""
        if not message.private:
            return ANYONE
        person = await self.find(message.user.removeprefix("slack:"))
        return Audience.of(expand({f"user:{person.email}"}, await self._groups())) if person.email else ANYONE

    async def principals(self, user_id: str) -> frozenset[Principal]:
        """What a right may be given to: the Slack account and its confirmed address."""
        person = await self.find(user_id)
        return frozenset({f"slack:{user_id}"} | ({f"user:{person.email}"} if person.email else set()))

    def _ask_once(self, user_id: str) -> asyncio.Task[Person]:
        task = self._asked.get(user_id)
        if task is None:
            task = self._asked[user_id] = asyncio.create_task(self._ask(user_id))
            task.add_done_callback(lambda _: self._asked.pop(user_id, None))
        return task

    async def _ask(self, user_id: str) -> Person:
        try:
            user = (await self._client.users_info(user=user_id))["user"]
            person = self._person(user_id, user)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, KeyError, TypeError) as error:
            log.warning("person.not_found", user=user_id, error=failure(error))
            return Person(id=user_id, name=user_id)
        while len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known.pop(user_id, None)
        self._known[user_id] = (self._clock(), person)
        return person

    def _person(self, user_id: str, user: Mapping[str, object]) -> Person:
        profile = user.get("profile")
        profile = profile if isinstance(profile, Mapping) else {}
        names = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
        name = next((name for name in names if isinstance(name, str) and name.strip()), user_id)
        email = profile.get("email")
        trusted = (
            isinstance(email, str)
            and "@" in email
            and user.get("team_id") == self._team
            and user.get("is_email_confirmed", True) is True
            and not any(user.get(flag) for flag in _NOT_FULL_MEMBERS)
        )
        return Person(id=user_id, name=name, email=str(email).strip().lower() if trusted else None)
