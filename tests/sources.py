"""Sources in memory. A test edits them as people edit pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from core.errors import DocumentError, UserError
from core.models import PUBLIC, Access, AccessChanged, Change, Checkpoint, Document, Failed, Known, Listed, Remove, Upsert

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def document(id: str, body: str = "text", *, access: Access = PUBLIC, source: str = "pages", **fields: object) -> Document:
    values = {"title": id.partition(":")[2], "url": f"https://pages.example/{id}", "media_type": "text/plain", "updated_at": NOON}
    return Document(id=id, source=source, body=body, access=access, **(values | fields))


class MemorySource:
    """Pages with a version that every edit raises; every sync lists them."""

    def __init__(self, name: str = "pages") -> None:
        self.name = name
        self.pages: dict[str, tuple[Document, int]] = {}
        self.unreadable: set[str] = set()
        """Pages that cannot be read now."""
        self.error: Exception | None = None
        """Raised by whatever is asked."""
        self.incomplete = False
        """A part of it cannot be listed now."""
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
        return self._document(document_id) if page else None

    async def select(self, scope: str) -> AsyncIterator[str]:
        self._raise()
        found = [document_id for document_id in self.pages if document_id.startswith(scope)]
        if not found:
            raise UserError(f"there is no {scope}")
        for document_id in found:
            yield document_id

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        self._raise()
        if not self.incomplete:
            yield Listed(document_ids=frozenset(self.pages))
        for document_id in list(self.pages):
            self.between()
            if document_id in self.pages and (change := self._told(document_id, known)):
                yield change
        yield Checkpoint(cursor="listed")

    def _told(self, document_id: str, known: Mapping[str, Known]) -> Change | None:
        page, version = self.pages[document_id]
        before = known.get(document_id, Known(version=""))
        if before.version == str(version):
            if before.access_class in {"", page.access.class_id}:
                return None
            return AccessChanged(document_id=document_id, access=page.access)
        if document_id in self.unreadable:
            return Failed(document_id=document_id, error="it cannot be read", version=str(version))
        return Upsert(document=self._document(document_id))

    def _document(self, document_id: str) -> Document:
        page, version = self.pages[document_id]
        return replace(page, version=str(version))

    def _raise(self) -> None:
        if self.error:
            raise self.error


class FeedSource(MemorySource):
    """The same pages behind a feed of events, one checkpoint after every few. The feed tells what is removed."""

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

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        self._raise()
        end = len(self.events)
        if cursor is None:
            async for change in super().changes(None, known):
                yield Checkpoint(cursor=str(end)) if isinstance(change, Checkpoint) else change
            return
        for position in range(int(cursor), end):
            self.between()
            _, id = self.events[position]
            if id not in self.pages:
                yield Remove(document_id=id)
            elif change := self._told(id, known):
                yield change
            if position % self.page_size == 0:
                yield Checkpoint(cursor=str(position + 1))
        yield Checkpoint(cursor=str(end))
