"""What people added ("add this to what you know") as a source that is always there."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import datetime

from core.errors import DocumentError, UserError
from core.indexing.uploads import SOURCE, Upload, Uploads
from core.models import AccessChanged, Change, Checkpoint, Document, Failed, Known, Listed, Skipped, Upsert, now

_CURSOR = "listed"
"""There is nothing to remember: every sync looks at all heads, which is one request for some hundred files."""
_ID = re.compile(rf"{SOURCE}:[0-9a-f]{{24}}")


class UploadSource:
    """Reads the files that were added. Nobody edits them there: a newer version takes the place of an older one."""

    name = SOURCE

    def __init__(self, uploads: Uploads, *, clock: Callable[[], datetime] = now) -> None:
        self._uploads = uploads
        self._clock = clock

    async def check(self) -> str:
        files = await self._uploads.all()
        return f"{len(files)} files that people added, {sum(file.size for file in files) / 1e6:,.1f} MB"

    async def fetch(self, document_id: str) -> Document | None:
        if not _ID.fullmatch(document_id):
            return None
        found = await self._uploads.read(document_id)
        return _document(*found) if found and not self._expired(found[0]) else None

    async def select(self, scope: str) -> AsyncIterator[str]:
        """``scope`` is the id of a document, also of one that was removed a moment ago, its address, or a file's name."""
        if _ID.fullmatch(scope):
            yield scope
            return
        found = [file.id for file in await self._uploads.all() if scope and scope in (file.url, file.name)]
        if not found:
            raise UserError(
                f"nobody added a file {scope!r}: give its name, its address or its id, as `footnote uploads` lists them."
            )
        for document_id in found:
            yield document_id

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        files = await self._uploads.all()
        listed = frozenset(file.id for file in files)
        expired = [file for file in files if self._expired(file)]
        files = [file for file in files if not self._expired(file)]
        changed = {file.id: file for file in files if file.id not in known or known[file.id].version != file.version}
        yield Listed(document_ids=listed, expected=len(changed))
        for file in expired:
            # Hidden at once, however many they are.
            yield Skipped(document_id=file.id, reason="expired", version=file.version)
        for file in files:
            if file.id not in changed and known[file.id].access_class not in {"", file.access.class_id}:
                yield AccessChanged(document_id=file.id, access=file.access)
        for file in sorted(changed.values(), key=lambda file: file.id not in known):
            try:
                document = await self.fetch(file.id)
            except DocumentError as error:
                yield Failed(document_id=file.id, error=str(error), version=file.version)
                continue
            if document is not None:
                yield Upsert(document=document)
        yield Checkpoint(cursor=_CURSOR)

    def _expired(self, upload: Upload) -> bool:
        return upload.expires_at is not None and upload.expires_at <= self._clock()


def _document(upload: Upload, body: bytes) -> Document:
    return Document(
        id=upload.id,
        source=SOURCE,
        title=upload.title,
        url=upload.url,
        body=body,
        media_type=upload.media_type,
        updated_at=upload.at,
        access=upload.access,
        version=upload.version,
    )
