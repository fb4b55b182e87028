"""Telling the owner of a document, by a direct message, what people asked that it does not answer: never who asked, and no words
that the owner could not have read where they were asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import structlog

from bots.command import Button, Command
from bots.platform import Groups
from core.errors import FootnoteError, UserError
from core.evaluation.tellings import Telling
from core.models import Audience, Principal, Reason, now
from core.principals import expand

if TYPE_CHECKING:
    from core.evaluation.gaps import Gap, Gaps
    from core.indexing.index import Owned

OWNER = "owner"
"""The command of the buttons below what an owner is told."""

log = structlog.get_logger(__name__)


class Messenger(Protocol):
    """How a platform reaches one person."""

    async def account(self, address: str) -> str | None:
        """Who has this e-mail address, ``slack:U123``; None when nobody has, or it cannot be told. Never raises."""
        ...

    async def sees(self, account: str, conversation_id: str) -> bool:
        """Whether this person could open a conversation of the platform's. Never raises: what cannot be told is no."""
        ...

    async def write(self, account: str, text: str, page: Owned, buttons: Sequence[Button]) -> None:
        """Send a direct message (Markdown) with a link to a page below. Raises FootnoteError, which says why it is not there."""
        ...


Reach = Callable[[frozenset[Principal]], Awaitable[Messenger | None]]
"""How to reach people where somebody is who holds these principals; None where the platform is not connected."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    address: str
    accounts: Mapping[str, str]
    """By platform, that first on which they are written to."""
    messengers: Mapping[str, Messenger]


class Owners:
    def __init__(self, gaps: Gaps, groups: Groups, *, clock: Callable[[], datetime] = now) -> None:
        self._gaps = gaps
        self._groups = groups
        self._clock = clock
        self._reach: dict[str, Reach] = {}

    def reached_by(self, platform: str, reach: Reach) -> None:
        self._reach[platform] = reach

    async def tell(self, gap: Gap, page: Owned, owners: Iterable[Principal], asked_by: Command) -> str:
        """Write to the first of ``owners`` who can be reached, where the command was given if they are there: the address of
        that one.

        Raises UserError, which says of each why not.
        """
        groups, why = await self._groups(), []
        for owner in owners:
            try:
                known = await self._known(owner, page, groups, asked_by)
                return await self._tell(gap, page, owner, known)
            except FootnoteError as error:
                why.append(str(error))
        raise UserError("Nobody was told. " + " ".join(why))

    async def _known(
        self, owner: Principal, page: Owned, groups: Mapping[Principal, Iterable[Principal]], asked_by: Command
    ) -> _Known:
        address = address_of(owner, groups)
        if not address:
            raise UserError(f"`{owner}` has no e-mail address that {page.source} shows me, or is not active there any more.")
        if not Audience.of(expand({f"user:{address}"}, groups)).may_read(page.access):
            raise UserError(f"{address} may not read the page any more, as far as I know.")
        names = sorted(self._reach, key=lambda name: name != asked_by.platform)
        reached = {name: await self._reach[name](asked_by.principals) for name in names}
        there = {name: messenger for name, messenger in reached.items() if messenger is not None}
        found = await asyncio.gather(*(messenger.account(address) for messenger in there.values()))
        accounts = {name: account for name, account in zip(there, found, strict=True) if account}
        if not accounts:
            raise UserError(f"{address} is nobody whom I can find on {' or '.join(map(str.title, there)) or 'any platform'}.")
        return _Known(address=address, accounts=accounts, messengers=there)

    async def _tell(self, gap: Gap, page: Owned, owner: Principal, known: _Known) -> str:
        words = [text for text, conversations in gap.heard.items() if await self._sees(known, conversations)]
        if not words and Reason.PRIVATE not in gap.reasons:
            raise UserError(
                f"What was asked was not asked where {known.address} could have read it, so I may not tell them: write to them "
                "yourself."
            )
        name, account = next(iter(known.accounts.items()))
        telling = Telling(gap=gap.id, owner=owner, at=self._clock().timestamp())
        if not await self._gaps.tellings.claim(telling, gap.done_at):
            raise UserError(f"{known.address} was told already.")
        text, buttons = letter(gap, page.title, words)
        try:
            # Before it is sent: whoever reads it may press at once.
            await self._gaps.tellings.keep(replace(telling, account=account))
            await known.messengers[name].write(account, text, page, buttons)
        except FootnoteError as error:
            await self._gaps.tellings.drop(telling)
            raise UserError(f"{known.address} could not be written to: {error}") from error
        log.info("gap.owner_told", gap=gap.id, document=page.document_id, account=account)
        return known.address

    async def _sees(self, known: _Known, conversations: Iterable[str]) -> bool:
        for conversation in conversations:
            platform = conversation.partition(":")[0]
            account = known.accounts.get(platform)
            if account and await known.messengers[platform].sees(account, conversation):
                return True
        return False


def address_of(owner: Principal, groups: Mapping[Principal, Iterable[Principal]]) -> str:
    """The e-mail address of ``user:ana@acme.com``, or of an account as its source told it; empty when it is not known."""
    people = [owner] if owner.startswith("user:") else groups.get(owner, ())
    addresses = sorted(person.removeprefix("user:") for person in people if person.startswith("user:") and "@" in person)
    return addresses[0] if addresses else ""


def letter(gap: Gap, title: str, words: Sequence[str]) -> tuple[str, list[Button]]:
    """What the owner of the page ``title`` is told (Markdown), with these ``words`` in which it was asked."""
    named = f"“{plain(title)}”"
    if Reason.PRIVATE in gap.reasons:
        head = f"Somebody who read an answer that I made from {named} says that they should not have been able to. "
        head += "The page is yours, as far as I know: please look at who may read it."
    elif said := [reason.value for reason in (Reason.WRONG, Reason.OUTDATED) if reason in gap.reasons]:
        head = f"What I answer from {named} is said to be {' and '.join(said)}. The page is yours, as far as I know."
    else:
        head = f"People ask me something that {named} comes nearest to, and does not answer. The page is yours, as far as I know."
    times = "once" if gap.asked == 1 else f"{gap.asked} times by {gap.people} people" if gap.people > 1 else f"{gap.asked} times"
    asked = [f"> {plain(text)}" for text in words]
    foot = (
        f"Asked {times} since {gap.first_at:%Y-%m-%d}. What you write down there I know after the next sync. "
        "*Done* takes it off the administrators' list; *Not mine* lets them ask somebody else."
    )
    buttons = [
        Button(label="Done", command=f"{OWNER} done {gap.id}"),
        Button(label="Not mine", command=f"{OWNER} not-mine {gap.id}"),
    ]
    return "\n".join([head, *(["", *asked, ""] if asked else []), foot]), buttons


def plain(text: str) -> str:
    """What people asked and pages are called, as part of our own line: no markup of theirs."""
    return "".join(character for character in text if character not in "*_`[]<>|~\n")
