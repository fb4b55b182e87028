"""What is told of each document before its body is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.confluence.access import Gates, account
from connectors.confluence.files import skip_reason
from connectors.confluence.listing import Attachment, Listing, Page, Thread
from core.indexing.cleaning import one_line
from core.models import Access, Document, Principal

FORMAT = 1
"""Raise it when bodies are converted differently: then all are read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    id: str
    of: Page | Attachment | Thread
    title: str
    url: str
    path: tuple[str, ...]
    updated_at: datetime
    access: Access
    version: str
    """Of all that is indexed: see :attr:`core.models.Document.version`."""
    owners: tuple[Principal, ...] = ()
    skip: str | None = None
    """Why it is left out, if that is known without its body."""

    def document(self, source: str, body: str | bytes, media_type: str = "text/markdown") -> Document:
        return Document(
            id=self.id,
            source=source,
            title=_readable(self.title),
            url=self.url,
            body=body,
            media_type=media_type,
            updated_at=self.updated_at,
            access=self.access,
            path=tuple(map(_readable, self.path)),
            version=self.version,
            owners=self.owners,
        )


def entries_of(source: str, listing: Listing, gates: Gates) -> Iterator[Entry]:
    """Of all that is listed."""
    for page in listing.pages.values():
        yield Entry(
            id=f"{source}:{page.id}",
            of=page,
            title=page.title,
            url=page.url,
            path=listing.path(page),
            updated_at=page.updated_at,
            access=gates.of(page),
            version=_mark(page.version, page.title, page.url, listing.path(page), page.owner),
            owners=_accounts(source, page.owner, page.editor),
        )
    for attachment in listing.attachments.values():
        page = listing.pages[attachment.page_id]
        path = (*listing.path(page), page.title)
        yield Entry(
            id=f"{source}:{attachment.id}",
            of=attachment,
            title=attachment.title,
            url=attachment.url,
            path=path,
            updated_at=attachment.updated_at,
            access=gates.of(page),
            version=_mark(
                *(attachment.version, attachment.size, attachment.media_type, attachment.title, attachment.url, path),
                page.owner,
            ),
            owners=_accounts(source, page.owner),
            skip=skip_reason(attachment),
        )
    for thread in listing.threads.values():
        page = listing.pages[thread.page_id]
        path = (*listing.path(page), page.title)
        yield Entry(
            id=f"{source}:comment:{thread.first.id}",
            of=thread,
            title=f"Comment on {page.title}",
            url=thread.first.url,
            path=path,
            updated_at=max(comment.updated_at for comment in thread.comments),
            access=gates.of(page),
            version=_mark(
                *([(comment.id, comment.version) for comment in thread.comments], thread.first.marked, thread.first.url, path),
                page.owner,
            ),
            owners=_accounts(source, page.owner),
        )


def _accounts(source: str, *ids: str) -> tuple[Principal, ...]:
    return tuple(dict.fromkeys(account(source, id) for id in ids if id))


def _readable(title: str) -> str:
    return one_line(title) or "untitled"


def _mark(*parts: object) -> str:
    return hashlib.blake2b(json.dumps([FORMAT, *parts]).encode(), digest_size=12).hexdigest()
