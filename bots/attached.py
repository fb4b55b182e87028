"""A question with files: they are read for its conversation, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

import structlog

from bots.files import Files, media_type_of, shown
from core.answering.attached import MOST_CHARACTERS, Attached, AttachedFile, Passage, file_id
from core.errors import UserError
from core.indexing.chunking import Count, chunk
from core.models import Access, Attachment, Document, Message, Principal, now
from core.ports import AudienceOf

log = structlog.get_logger(__name__)


class FileQuestions:
    """``count`` gives the wordpieces of a text, as for the index."""

    def __init__(self, files: Files, attached: Attached, count: Count, *, clock: Callable[[], datetime] = now) -> None:
        self._files = files
        self._attached = attached
        self._count = count
        self._clock = clock

    async def take(self, message: Message, audience_of: AudienceOf) -> str:
        """Have the conversation answered from the message's files, too. Returns what is to be said with the answer of those
        that cannot be read: a picture is no reason to refuse a question. Raises TransientError.
        """
        readers = frozenset[Principal]()
        if any(not file.place for file in message.files):
            own = await audience_of(replace(message, private=True))
            readers = frozenset(name for reader in own.readers for name in reader if name.startswith("user:"))
        share = MOST_CHARACTERS // max(1, len(message.files))
        taken: list[AttachedFile] = []
        troubles: list[str] = []
        for number, file in enumerate(message.files):
            try:
                taken.append(await self._take(message, number, file, readers, share))
            except UserError as error:
                troubles.append(str(error))
        if taken:
            await self._attached.keep(message.conversation_id, message.user, taken)
        log.info("files.attached", count=len(taken), unread=len(troubles))
        return " ".join(troubles)

    async def _take(
        self, message: Message, number: int, attachment: Attachment, readers: frozenset[Principal], most: int
    ) -> AttachedFile:
        gate = frozenset({attachment.place}) if attachment.place else readers
        if not gate:
            raise UserError("I do not know you by an address, so I can keep no file for you. Ask me in a channel instead.")
        file, body = await self._files.fetch(message.platform, attachment)
        blocks = await self._files.read(file.name, media_type_of(file.name, file.media_type), body)
        document = Document(
            id=file_id(message.id, number),
            source="",
            title=PurePosixPath(file.name).stem or shown(file.name),
            url=file.url,
            body=b"",
            media_type="",
            updated_at=self._clock(),
            access=Access(gates=(gate,)),
        )
        chunks = await asyncio.to_thread(chunk, document, blocks, self._count)
        passages: list[Passage] = []
        left = most
        for part in chunks:
            left -= len(part.text)
            if left < 0:
                log.info("file.cut_off", passages=len(passages), of=len(chunks))
                break
            passages.append(Passage(headings=part.headings, text=part.text))
        return AttachedFile(
            id=document.id,
            title=document.title,
            url=document.url,
            access=document.access,
            at=document.updated_at,
            passages=tuple(passages),
        )
