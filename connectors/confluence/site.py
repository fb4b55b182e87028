"""What a Confluence must be able to tell, whichever it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.confluence.access import Gate, Restrictions
from connectors.confluence.bodies import Body
from connectors.confluence.client import Client
from connectors.confluence.listing import Attachment, Listing, Page, Space, Thread
from core.errors import DocumentError


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    id: str
    name: str
    email: str
    """Empty when Confluence does not show it."""
    active: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    members: Mapping[str, frozenset[str]]
    """Of each group, the ids of its accounts."""
    users: Mapping[str, User]
    """By account id."""


class Site(Protocol):
    """Cloud or Data Center. All raise AuthError, TransientError, and FootnoteError for an answer that cannot be used."""

    client: Client

    async def account(self) -> str:
        """The name of the account that we are."""
        ...

    async def spaces(self, keys: Collection[str]) -> list[Space]:
        """Those with these keys that we see; all that we see if there are no keys. Archived ones are left out."""
        ...

    async def listing(self, spaces: Sequence[Space]) -> Listing:
        """All that is current in these spaces, provably complete."""
        ...

    async def trace(self, id: str) -> Listing | None:
        """One page, attachment or thread with what it is on and stands below; None when it is not there, or not current."""
        ...

    async def titled(self, space: Space, title: str) -> str | None:
        """The id of the page with this title."""
        ...

    async def on_page(self, page: Page) -> Listing:
        """The attachments and threads of a page."""
        ...

    async def readers(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        """Who may read each space, by its id."""
        ...

    async def restrictions(self, listing: Listing) -> Restrictions:
        """Of all that is listed, and of what stands above it."""
        ...

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        """Who is in these groups, and all about these accounts and those in the groups."""
        ...

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        """What people see in place of an account's id, as far as there is such an account."""
        ...

    async def bodies(self, pages: Sequence[Page]) -> Mapping[str, Body | DocumentError]:
        """By page id; one that is gone meanwhile is missing."""
        ...

    async def said(self, threads: Sequence[Thread], listing: Listing) -> Mapping[str, Body | DocumentError]:
        """What stands in the comments of some of the listed threads, by comment id; one that is gone meanwhile is missing."""
        ...

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Raises DocumentError when there are more than ``limit`` bytes, and Rejected when they are not to be had."""
        ...
