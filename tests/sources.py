"""Sources in memory. A test edits them as people edit pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

from core.errors import DocumentError
from core.models import PUBLIC, Access, AccessChanged, Change, Checkpoint, Document, Failed, Remove, Upsert

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def document(id: str, body: str = "text", *, access: Access = PUBLIC, source: str = "pages", **fields: object) -> Document:
    values = {"title": id.partition(":")[2], "url": f"https://pages.example/{id}", "media_type": "text/plain", "updated_at": NOON}
    return Document(id=id, source=source, body=body, access=access, **(values | fields))


class MemorySource:
    """Pages with a version that every edit raises. The cursor remembers version and access of each, as a folder's does;
    removed pages are missing from ids().
    """

    reports_removals = False

    def __init__(self, name: str = "pages") -> None:
        self.name = name
        self.pages: dict[str, tuple[Document, int]] = {}
        self.unreadable: set[str] = set()
        """Pages that cannot be read now."""
        self.error: Exception | None = None
        """Raised by whatever is asked."""
        self.listing_error: Exception | None = None
        self.between: Callable[[], None] = lambda: None
        """Called before each change is told."""
        self._versions = 0

    def put(self, page: Document) -> None:
        self._versions += 1
        self.pages[page.id] = page, self._versions

    def set_access(self, id: str, access: Access) -> None:
        page, version = self.pages[id]
        self.pages[id] = replace(page, access=access), version

    def remove(self, id: str) -> None:
        del self.pages[id]

    async def check(self) -> str:
        self._raise()
        return f"{len(self.pages)} pages"

    async def fetch(self, document_id: str) -> Document | None:
        self._raise()
        page = self.pages.get(document_id)
        if page and document_id in self.unreadable:
            raise DocumentError("it cannot be read")
        return page[0] if page else None

    async def ids(self) -> AsyncIterator[str]:
        self._raise()
        for document_id in list(self.pages):
            yield document_id
        if self.listing_error:
            raise self.listing_error

    async def changes(self, cursor: str | None) -> AsyncIterator[Change]:
        self._raise()
        before = json.loads(cursor) if cursor else {}
        seen = {}
        for document_id in list(self.pages):
            self.between()
            if document_id not in self.pages:
                continue
            page, version = self.pages[document_id]
            mark = [version, page.access.class_id]
            if document_id in self.unreadable:
                yield Failed(document_id=document_id, error="it cannot be read")
                continue
            seen[document_id] = mark
            if before.get(document_id) != mark:
                yield Upsert(document=page)
        yield Checkpoint(cursor=json.dumps(seen))

    def _raise(self) -> None:
        if self.error:
            raise self.error


class FeedSource(MemorySource):
    """The same pages behind a feed of events, one checkpoint after every few; removals are reported."""

    reports_removals = True
    page_size = 3

    def __init__(self, name: str = "pages") -> None:
        super().__init__(name)
        self.events: list[tuple[str, str]] = []

    def put(self, page: Document) -> None:
        super().put(page)
        self.events.append(("put", page.id))

    def set_access(self, id: str, access: Access) -> None:
        super().set_access(id, access)
        self.events.append(("access", id))

    def remove(self, id: str) -> None:
        super().remove(id)
        self.events.append(("remove", id))

    async def changes(self, cursor: str | None) -> AsyncIterator[Change]:
        self._raise()
        end = len(self.events)
        if cursor is None:
            for id, (page, _) in list(self.pages.items()):
                self.between()
                yield Failed(document_id=id, error="it cannot be read") if id in self.unreadable else Upsert(document=page)
            yield Checkpoint(cursor=str(end))
            return
        for position in range(int(cursor), end):
            self.between()
            kind, id = self.events[position]
            found = self.pages.get(id)
            if found is None:
                yield Remove(document_id=id)
            elif id in self.unreadable:
                yield Failed(document_id=id, error="it cannot be read")
            elif kind == "access" and ("put", id) not in self.events[position:]:
                yield AccessChanged(document_id=id, access=found[0].access)
            else:
                yield Upsert(document=found[0])
            if position % self.page_size == 0:
                yield Checkpoint(cursor=str(position + 1))
        yield Checkpoint(cursor=str(end))
