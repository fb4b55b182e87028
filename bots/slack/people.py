"""Who people are: what they are called, and what Slack vouches for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import UNANSWERED, failure
from bots.slack.remembered import Remembered

log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
"""A person who leaves, or becomes a guest, keeps their rights for at most this long, even if no event tells of it."""
_KNOWN = 100_000
_SINGLY = 30
"""People who are asked about one by one: users.info may be called a hundred times a minute, users.list twenty times."""
_TEAMS = 100
"""The most workspaces that auth.teams.list gives at once."""
_PAGE = 999
"""The most that users.list gives at once."""
SLACKBOT = "USLACKBOT"
"""Slack's own; nothing in its description says that it is no person."""
_NOT_FULL_MEMBERS = ("deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user")


@dataclass(frozen=True, kw_only=True)
class Person:
    id: str
    name: str
    colleague: bool = False
    """A full member of our workspace, or of one of our organisation's: may open every public channel of it."""
    member: bool = False
    """A colleague whose address Slack has confirmed."""
    email: str | None = None
    """Lower-case, and only of a member whose address is in an allowed domain."""
    gone: bool = False
    """Deactivated: they read nothing any more."""


class SlackPeople:
    """users.info and users.list, believed for five minutes."""

    def __init__(
        self,
        client: AsyncWebClient,
        team: str,
        *,
        domains: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``domains`` are those whose addresses are believed; none: all."""
        self._client = client
        self._team = team
        self._organisation = team.startswith("E")
        self._domains = frozenset(domains)
        self._known = Remembered(self._ask, FRESH_SECONDS, most=_KNOWN, clock=clock)
        self._directory = Remembered(self._list, FRESH_SECONDS, clock=clock)
        self._changed: set[str] = set()
        """Since the directory began to be listed."""

    async def find(self, user_id: str) -> Person:
        """Never raises: of whom Slack says nothing, only the id is known."""
        try:
            return await self._known.find(user_id)
        except UNANSWERED as error:
            log.warning("person.not_found", user=user_id, error=failure(error))
            return Person(id=user_id, name=user_id)

    async def find_all(self, user_ids: Collection[str]) -> list[Person]:
        """Many at once, by the directory when many are unknown. Raises one of UNANSWERED when that cannot be listed."""
        unknown = [user_id for user_id in user_ids if self._known.known(user_id) is None]
        if len(unknown) > _SINGLY:
            await self.directory()
        asked = await asyncio.gather(*(self.find(user_id) for user_id in unknown if self._known.known(user_id) is None))
        told = {person.id: person for person in asked}
        return [told.get(user_id) or self._known.known(user_id) or await self.find(user_id) for user_id in user_ids]

    async def directory(self) -> frozenset[str]:
        """The ids of all who may be full members of our workspace. Raises one of UNANSWERED."""
        return await self._directory.find(self._team) | self._changed

    async def names(self, user_ids: Collection[str], *, within: float = 1.0) -> dict[str, str]:
        """What they are called; whoever cannot be looked up in ``within`` seconds is left out."""
        asking = {user_id: asyncio.ensure_future(self.find(user_id)) for user_id in sorted(user_ids)[:20]}
        await asyncio.wait(asking.values(), timeout=within)
        for late in asking.values():
            late.cancel()
        return {user_id: task.result().name for user_id, task in asking.items() if task.done() and not task.cancelled()}

    def knows(self, user: Mapping[str, object]) -> bool:
        """Whether a person, as Slack shows them, is known just so: Slack tells of each new status line, too."""
        user_id = str(user["id"])
        return self._known.known(user_id) == self._person(user_id, user)

    def forget(self, id: str) -> None:
        """The person is not as they were, or somebody is new in the workspace."""
        self._known.forget(id)
        self._directory.forget(id)
        if id.startswith(("U", "W")):
            self._changed.add(id)

    async def _ask(self, user_id: str) -> Person:
        return self._person(user_id, (await self._client.users_info(user=user_id))["user"])

    async def _list(self, _team: str) -> frozenset[str]:
        self._changed.clear()
        members: set[str] = set()
        for team in await self._teams():
            async for page in await self._client.users_list(limit=_PAGE, team_id=team):
                for user in page["members"]:
                    person = self._person(user["id"], user)
                    if person.id not in self._changed:
                        self._known.keep(person.id, person)
                    if person.colleague:
                        members.add(person.id)
        return frozenset(members)

    async def _teams(self) -> list[str | None]:
        """Whose people are listed: without a name, those of the one workspace that the token is for."""
        if not self._organisation:
            return [None]
        return [team["id"] async for page in await self._client.auth_teams_list(limit=_TEAMS) for team in page["teams"]]

    def _person(self, user_id: str, user: Mapping[str, object]) -> Person:
        profile = user.get("profile")
        profile = profile if isinstance(profile, Mapping) else {}
        names = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
        name = next((name for name in names if isinstance(name, str) and name.strip()), user_id)
        email = profile.get("email")
        email = email.strip().lower() if isinstance(email, str) else ""
        grid = user.get("enterprise_user")
        home = grid.get("enterprise_id") if self._organisation and isinstance(grid, Mapping) else user.get("team_id")
        colleague = home == self._team and user_id != SLACKBOT and not any(user.get(flag) for flag in _NOT_FULL_MEMBERS)
        member = colleague and "@" in email and user.get("is_email_confirmed", True) is True
        believed = member and (not self._domains or email.rpartition("@")[2] in self._domains)
        return Person(
            id=user_id,
            name=name,
            colleague=colleague,
            member=member,
            email=email if believed else None,
            gone=user.get("deleted") is True,
        )
