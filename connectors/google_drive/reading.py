"""Contents, each told together with the access that it had when it was read.

Who may read was asked before the content is, and both may have changed in between: then a new text would be shown to those
who could read the old one. So the feed of changes is asked after every few contents, and what it names is looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence

from connectors.google_drive.client import DriveClient
from connectors.google_drive.convert import MAX_BYTES, LeftOut, read, skip_reason
from connectors.google_drive.tree import Placed, Tree
from core.errors import DocumentError, TransientError
from core.models import Change, Document, Failed, Groups, Remove, Skipped, Upsert

TOGETHER = 16
"""Contents between two looks at the feed, unless they are large."""
LOOKS = 4
IN_A_ROW = 3
"""So many contents that Google cannot give out, one after the other, are no fault of theirs."""


class Reading:
    def __init__(
        self,
        client: DriveClient,
        new_tree: Callable[[], Tree],
        source: str,
        token: str,
        known: Collection[str],
        who_left: Callable[[], Awaitable[Groups]] | None = None,
    ) -> None:
        """``token`` is of the feed before anything was asked of the documents; ``known`` are ids of documents,
        ``who_left`` tells the groups without those who are not in them any more.
        """
        self._client = client
        self._new_tree = new_tree
        self._tree = new_tree()
        self._source = source
        self._token = token
        self._known = known
        self._who_left = who_left
        self._moved: set[str] = set()
        """Files that changed since ``token``."""
        self._everything = False
        """So did a folder or a drive: what was known of any file counts for nothing."""
        self._in_a_row = 0

    async def tell(self, wanted: Sequence[Placed]) -> AsyncGenerator[Change, None]:
        """An Upsert for each, or what came of it: Skipped, Failed, or Remove. Raises AuthError and TransientError."""
        for batch in _batches(wanted):
            waiting = [placed.file.id for placed in batch if self._everything or placed.file.id in self._moved]
            ready = [placed for placed in batch if placed.file.id not in waiting]
            for _ in range(LOOKS):
                for id, placed in zip(waiting, await asyncio.gather(*map(self._locate, waiting)), strict=True):
                    if placed is None:
                        yield Remove(document_id=self._id(id))
                    else:
                        ready.append(placed)
                results = await asyncio.gather(*map(self._read, ready))
                moved, everything = await self._look()
                if everything and self._who_left:
                    yield await self._who_left()
                waiting = [placed.file.id for placed in ready if everything or placed.file.id in moved]
                for placed, result in zip(ready, results, strict=True):
                    if placed.file.id not in waiting:
                        yield self._told(placed, result)
                ready = []
                if not waiting:
                    break
            for id in waiting:
                yield Failed(document_id=self._id(id), error="it changes while it is read; it is tried again")

    def _told(self, placed: Placed, result: Upsert | Skipped | Failed | TransientError) -> Change:
        if not isinstance(result, TransientError):
            self._in_a_row = 0
            return result
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise result
        return Failed(document_id=self._id(placed.file.id), error=str(result), version=placed.version)

    async def _locate(self, id: str) -> Placed | None:
        file = await self._client.file(id)
        return await self._tree.locate(file) if file and not file.trashed else None

    def _id(self, id: str) -> str:
        return f"{self._source}:{id}"

    async def _look(self) -> tuple[Collection[str], bool]:
        """Which files changed since the last look, and whether anything did that concerns more than one."""
        news, self._token = await self._client.changes(self._token)
        gone = [id for id, file in news.files.items() if file is None and self._id(id) not in self._known]
        everything = news.drives or bool(gone) or any(file.is_folder for file in news.files.values() if file)
        if everything:
            self._tree = self._new_tree()
        self._moved |= news.files.keys()
        self._everything |= everything
        return news.files.keys(), everything

    async def _read(self, placed: Placed) -> Upsert | Skipped | Failed | TransientError:
        file, id = placed.file, self._id(placed.file.id)
        if reason := skip_reason(file):
            return Skipped(document_id=id, reason=reason, version=placed.version)
        try:
            body, media_type = await read(self._client, file)
        except LeftOut as left_out:
            return Skipped(document_id=id, reason=str(left_out), version=placed.version)
        except DocumentError as error:
            return Failed(document_id=id, error=str(error), version=placed.version)
        except TransientError as error:
            return error
        document = Document(
            id=id,
            source=self._source,
            title=file.name,
            url=file.url,
            body=body,
            media_type=media_type,
            updated_at=file.modified_at,
            access=placed.access,
            path=placed.path,
            version=placed.version,
            owners=file.owners,
        )
        return Upsert(document=document)


def _batches(wanted: Sequence[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    size = 0
    for placed in wanted:
        batch.append(placed)
        size += placed.file.size or 0
        if len(batch) == TOGETHER or size >= MAX_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
