"""What a Confluence must be able to tell, whichever it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from connectors.confluence.bodies import Body
from connectors.confluence.client import Client
from connectors.confluence.listing import Attachment, Listing, Page, Space, Thread
from core.errors import DocumentError


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

    async def bodies(self, pages: Sequence[Page]) -> Mapping[str, Body | DocumentError]:
        """By page id; one that is gone meanwhile is missing."""
        ...

    async def said(self, threads: Sequence[Thread], listing: Listing) -> Mapping[str, Body | DocumentError]:
        """What stands in the comments of some of the listed threads, by comment id; one that is gone meanwhile is missing."""
        ...

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        """Raises DocumentError when there are more than ``limit`` bytes, and Rejected when they are not to be had."""
        ...
