"""Bodies of what is listed, as documents."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence

from connectors.confluence.bodies import AT_ONCE, OUTAGE, Body
from connectors.confluence.client import slices
from connectors.confluence.convert import mentioned, to_markdown
from connectors.confluence.entries import Entry
from connectors.confluence.files import MAX_BYTES, media_type
from connectors.confluence.listing import Attachment, Comment, Listing, Page, Thread
from connectors.confluence.markdown import escape
from connectors.confluence.readers import Readers
from connectors.confluence.site import Site
from connectors.http import Rejected
from core.errors import DocumentError
from core.models import Change, Document, Failed, Skipped, Upsert

AHEAD = 1
"""Batches that are fetched while the ones before them are worked on."""

Bodies = Mapping[str, Body | DocumentError]
Read = Document | DocumentError | None
"""None: it is not any more as it was listed."""


class Reader:
    """One reading of one listing."""

    def __init__(
        self,
        source: str,
        site: Site,
        readers: Readers,
        listing: Listing,
        again: Callable[[str], Awaitable[Document | None]],
    ) -> None:
        """``again`` gives a document that was edited after it was listed, with its access as it is since."""
        self._source = source
        self._site = site
        self._readers = readers
        self._listing = listing
        self._again = again
        self._names: dict[str, str] = {}
        self._failed = 0
        """Downloads in a row."""

    async def changes(self, changed: Sequence[Entry]) -> AsyncGenerator[Change, None]:
        """Upsert, Skipped or Failed of each; nothing of what is gone meanwhile."""
        for entry in changed:
            if entry.skip:
                yield Skipped(document_id=entry.id, reason=entry.skip, version=entry.version)
        async for batch in _ahead(self._batches([entry for entry in changed if not entry.skip])):
            for entry, read in batch:
                if change := await self._change(entry, read):
                    yield change

    async def document(self, entry: Entry) -> Document | None:
        """None when it is not as it was listed. Raises DocumentError."""
        if entry.skip:
            raise DocumentError(f"it is left out: {entry.skip}")
        [(_, read)] = await next(self._batches([entry]))
        if isinstance(read, DocumentError):
            raise read
        return read

    async def _change(self, entry: Entry, read: Read) -> Change | None:
        try:
            document = await self._again(entry.id) if read is None else read
        except DocumentError as error:
            document = error
        match document:
            case None:
                return None
            case _TooLarge():
                return Skipped(document_id=entry.id, reason="too large", version=entry.version)
            case DocumentError():
                return Failed(document_id=entry.id, error=str(document), version=entry.version)
            case Document(body=body) if not body.strip():
                return Skipped(document_id=entry.id, reason="empty", version=document.version)
            case _:
                return Upsert(document=document)

    def _batches(self, changed: Sequence[Entry]) -> Iterator[Coroutine[None, None, list[tuple[Entry, Read]]]]:
        for pages in slices([entry for entry in changed if isinstance(entry.of, Page)], AT_ONCE):
            yield self._read_pages(pages)
        if threads := [entry for entry in changed if isinstance(entry.of, Thread)]:
            yield self._read_threads(threads)
        for entry in changed:
            if isinstance(entry.of, Attachment):
                yield self._read_file(entry, entry.of)

    async def _read_pages(self, entries: Sequence[Entry]) -> list[tuple[Entry, Read]]:
        return await self._converted(
            entries, await self._site.bodies([entry.of for entry in entries if isinstance(entry.of, Page)])
        )

    async def _read_threads(self, entries: Sequence[Entry]) -> list[tuple[Entry, Read]]:
        threads = [entry.of for entry in entries if isinstance(entry.of, Thread)]
        return await self._converted(entries, await self._site.said(threads, self._listing))

    async def _converted(self, entries: Sequence[Entry], bodies: Bodies) -> list[tuple[Entry, Read]]:
        keys = {key for body in bodies.values() if isinstance(body, Body) for key in mentioned(body.storage)}
        if unknown := keys - self._names.keys():
            self._names |= await self._readers.names(unknown)
        # Whole batches in a thread: converting a long page takes longer than the event loop may be kept.
        return await asyncio.to_thread(lambda: [(entry, self._convert(entry, bodies)) for entry in entries])

    def _convert(self, entry: Entry, bodies: Bodies) -> Read:
        parts: Sequence[Page | Comment] = entry.of.comments if isinstance(entry.of, Thread) else [entry.of]  # type: ignore[list-item]
        texts = []
        for part in parts:
            body = bodies.get(part.id)
            if isinstance(body, DocumentError):
                return body
            if body is None or body.version != part.version:
                return None
            try:
                texts.append(to_markdown(body.storage, self._names))
            except DocumentError as error:
                return error
        if isinstance(entry.of, Thread) and (marked := entry.of.first.marked.strip()):
            texts.insert(0, f"> {escape(marked)}")
        return entry.document(self._source, "\n\n".join(filter(None, texts)))

    async def _read_file(self, entry: Entry, file: Attachment) -> list[tuple[Entry, Read]]:
        return [(entry, await self._download(entry, file))]

    async def _download(self, entry: Entry, file: Attachment) -> Read:
        try:
            body = await self._site.download(file, MAX_BYTES)
        except DocumentError as error:
            return _TooLarge(str(error))
        except Rejected as error:
            if error.status == 404:
                return None
            self._failed += error.status >= 500
            if self._failed >= OUTAGE:
                raise self._site.client.explained(error, file.download) from error
            return DocumentError(f"{error}: its file cannot be downloaded")
        self._failed = 0
        if len(body) < file.size:
            return DocumentError(f"only {len(body):,} of its {file.size:,} bytes came")
        return entry.document(self._source, body, media_type(file) or "")


class _TooLarge(DocumentError):
    pass


async def _ahead(batches: Iterator[Coroutine[None, None, list[tuple[Entry, Read]]]]) -> AsyncIterator[list[tuple[Entry, Read]]]:
    """Each in its turn, the next ones begun already."""
    begun: deque[asyncio.Task[list[tuple[Entry, Read]]]] = deque()
    try:
        for batch in batches:
            begun.append(asyncio.create_task(batch))
            if len(begun) > AHEAD:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
