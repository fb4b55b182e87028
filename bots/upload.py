"""A file becomes knowledge: read, kept and indexed at once, and gone again when it is removed; by chat and command line alike."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import structlog

from bots.files import Files, media_type_of, shown, words
from core.audit import OFF, Audit
from core.errors import TransientError, UserError
from core.indexing.uploads import SOURCE, Upload, document_id, version_of
from core.models import PUSH, Access, SyncRequest, SyncState, SyncStatus, now

if TYPE_CHECKING:
    from core.indexing.index import Index
    from core.indexing.jobs import Jobs
    from core.indexing.uploads import Uploads
    from core.models import Principal

FOLLOW_SECONDS = 45.0
"""Whoever added a file waits no longer than this for it to be in the index."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A file that somebody wants to be known."""

    name: str
    body: bytes
    access: Access
    place: Principal
    """See :class:`~core.indexing.uploads.Upload`."""
    by: str
    by_name: str
    media_type: str = ""
    """As it is declared; its name decides."""
    url: str = ""
    title: str = ""
    """Default: the name without its suffix."""
    expires_at: datetime | None = None
    made_from: tuple[str, ...] = ()
    """As of :class:`~core.indexing.uploads.Upload`."""


@dataclass(frozen=True, kw_only=True)
class Added:
    upload: Upload
    words: int
    replaced: Upload | None
    """The version of it that was there before."""
    ready: bool
    """It can be asked about."""

    @property
    def told(self) -> str:
        """In Markdown, without who may ask about it."""
        name = shown(self.upload.name)
        if not self.ready:
            return f"I keep {name}, but I am still busy: ask me about it in a few minutes."
        text = f"I read {name} ({self.words:,} words)."
        if self.replaced is None:
            return text
        before = f"{self.replaced.at:%Y-%m-%d} by {self.replaced.by_name}"
        if self.replaced.version == self.upload.version:
            return f"{text} It is the same as that of {before}."
        return f"{text} It takes the place of that of {before}."


class Adding:
    """What is added or removed is written where all processes see it, and then a worker is asked to bring the index in step."""

    def __init__(
        self,
        uploads: Uploads,
        files: Files,
        jobs: Jobs,
        index: Index,
        *,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
        patience: float = FOLLOW_SECONDS,
    ) -> None:
        self.files = files
        self._uploads = uploads
        self._jobs = jobs
        self._index = index
        self._audit = audit
        self._clock = clock
        self._patience = patience

    async def add(self, offered: Offered, where: Mapping[str, str] | None = None) -> Added:
        """Raises UserError when it cannot be read, and then an older version stays; TransientError while a part is away."""
        self.files.measure(offered.name, len(offered.body))
        media_type = media_type_of(offered.name, offered.media_type)
        # Before it is kept: what cannot be read must not take the place of what can.
        blocks = await self.files.read(offered.name, media_type, offered.body)
        upload = await asyncio.to_thread(_upload, offered, media_type, self._clock())
        if upload.id in await self._index.forgotten(SOURCE):
            raise UserError(
                f"An administrator had {shown(upload.name)} forgotten, so I do not take it. They can undo that with "
                f"`forget document {upload.id} undo`; under another name it is another file."
            )
        before = await self._uploads.get(upload.id)
        await self._uploads.put(upload, offered.body)
        log.info("upload.added", document=upload.id, by=upload.by, bytes=upload.size, replaced=before is not None)
        self._audit.record(
            "upload.added",
            who=upload.by,
            where=where,
            document=upload.id,
            bytes=upload.size,
            media_type=media_type,
            access=upload.access.class_id,
            replaced=before is not None,
        )
        return Added(upload=upload, words=words(blocks), replaced=before, ready=await self._indexed(upload))

    async def remove(self, upload: Upload, by: str, where: Mapping[str, str] | None = None) -> None:
        """Nothing of it is found or kept any more. Raises TransientError, and then it may be removed again."""
        await self._index.remove([upload.id])
        await self._uploads.remove(upload.id)
        log.info("upload.removed", document=upload.id, by=by)
        self._audit.record("upload.removed", who=by, where=where, document=upload.id)
        # A sync that had read it already may write it once more.
        with suppress(TransientError):
            await self._jobs.submit(self._request(upload.id))

    async def _indexed(self, upload: Upload) -> bool:
        """Have it indexed. False when that takes too long; raises UserError when it will not be."""
        request = self._request(upload.id)
        submitted = await self._jobs.submit(request)
        state = submitted.state
        if not submitted.accepted and state.request is not None:
            request = state.request
        try:
            async with asyncio.timeout(self._patience):
                async for seen in self._jobs.follow(request):
                    state = seen
        except TimeoutError:
            return False
        if reason := await self._why_not(upload, state):
            raise UserError(f"I keep {shown(upload.name)}, but it is not in the index: {reason}")
        return True

    async def _why_not(self, upload: Upload, state: SyncState) -> str:
        if upload.id in await self._index.accesses([upload.id]):
            return state.report.failed.get(upload.id, "")
        if state.status is not SyncStatus.DONE and state.error:
            return state.error
        return state.report.failed.get(upload.id, "it was removed again meanwhile.")

    def _request(self, id: str) -> SyncRequest:
        """As a push: it may be asked for once more while one runs that has passed the file already."""
        return SyncRequest(id=secrets.token_hex(8), source=SOURCE, requested_by=PUSH, at=self._clock(), scope=id)


def _upload(offered: Offered, media_type: str, at: datetime) -> Upload:
    title = " ".join((offered.title or PurePosixPath(offered.name).stem or offered.name).split())
    return Upload(
        id=document_id(offered.place, offered.name),
        name=offered.name,
        title=title,
        media_type=media_type,
        size=len(offered.body),
        url=offered.url,
        access=offered.access,
        place=offered.place,
        by=offered.by,
        by_name=offered.by_name,
        at=at,
        version=version_of(title, media_type, offered.url, offered.body),
        expires_at=offered.expires_at,
        made_from=offered.made_from,
    )
