"""The files that people added, with their bytes: what the source ``uploads`` reads.

They stand in a collection of their own in Qdrant, beside those of the models. A file that was added exists nowhere else where
we could fetch it again, so it needs a home that lasts and that every process sees. Redis is seen by all, but may be lost at
any time; the data dir lasts, but is one machine's. Qdrant holds what must not be lost already, and its payloads stay on disk.

A file is a head, which says all about it, and pieces of its bytes. The pieces are written before the head that names them, and
those of the version before go after it: whoever reads finds the old file or the new one, never half of one.
"""

from __future__ import annotations

import base64
import hashlib
import time
import unicodedata
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qdrant_client import AsyncQdrantClient, models

from core.errors import DocumentError
from core.indexing.payloads import access_of, gates_of
from core.indexing.qdrant import Conflict, Missing, ask
from core.models import Access, Principal

SOURCE = "uploads"
PIECE = 512 * 1024
"""Bytes of one point: some 40 requests for the largest file by default, and none of them long on the event loop."""
STALE_SECONDS = 3600.0
"""After which pieces that no head names were left behind by somebody who died, and are not still being written."""

_NAMESPACE = uuid.UUID("2f3d5b7e-4e65-6f74-8a1c-910c6f6f746e")
_PAGE = 250
_PIECES_AT_ONCE = 4
_HEAD, _PIECE = "head", "piece"
_INDEXES = {"kind": "keyword", "document_id": "keyword", "body": "keyword"}


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that somebody added. Its bytes are asked for apart."""

    id: str
    """Of its document: the same for the same name in the same place."""
    name: str
    """With its suffix: ``Travel.pdf``."""
    title: str
    media_type: str
    size: int
    """Bytes."""
    url: str
    """Where people open it; empty when nowhere."""
    access: Access
    place: Principal
    """The channel where it was added: ``channel:slack:C1``; the person, or ``cli``, where there is none."""
    by: str
    """Who added it: ``slack:U1``, ``discord:456``, ``cli``."""
    by_name: str
    at: datetime
    version: str
    """Changes with all of the above that is told of the document, its access excepted, and with its bytes."""
    expires_at: datetime | None = None
    """From then on nobody is told it any more."""
    made_from: tuple[str, ...] = ()
    """Ids of the documents that it repeats: it goes when one of them is forgotten."""


def document_id(place: Principal, name: str) -> str:
    """The same for the same name in the same place, however it is spelled: a newer version takes the place of an older one."""
    spelled = unicodedata.normalize("NFC", name.strip()).casefold()
    digest = hashlib.sha256(f"{place}\n{spelled}".encode()).hexdigest()
    return f"{SOURCE}:{digest[:24]}"


def version_of(title: str, media_type: str, url: str, body: bytes) -> str:
    """Equal for a file that is added once more as it is."""
    digest = hashlib.sha256("\n".join((title, media_type, url)).encode() + b"\0")
    digest.update(body)
    return digest.hexdigest()[:32]


class Uploads:
    """Those behind one alias. All methods raise TransientError while Qdrant cannot be reached."""

    def __init__(self, client: AsyncQdrantClient, alias: str = "footnote", *, stale: float = STALE_SECONDS) -> None:
        self._client = client
        self._stale = stale
        self._collection = f"{alias}-uploads"

    async def put(self, upload: Upload, body: bytes) -> None:
        """Keep a file, in place of the one that has its id."""
        before = await self._head(upload.id)
        written = uuid.uuid4().hex
        count = -(-len(body) // PIECE)
        for number in range(count):
            piece = body[number * PIECE : (number + 1) * PIECE]
            await self._write(_piece(upload.id, written, number, piece))
        await self._write(_head(upload, written, count))
        if before:
            await self._delete(models.Filter(must=[_is("kind", _PIECE), _is("body", before["body"])]))
        await self._sweep()

    async def remove(self, document_id: str) -> bool:
        """Whether there was such a file. Nothing is left of it."""
        there = await self._head(document_id) is not None
        with suppress(Missing):
            # The head first: without it nobody asks for the pieces.
            await self._delete(models.Filter(must=[_is("document_id", document_id), _is("kind", _HEAD)]))
            await self._delete(models.Filter(must=[_is("document_id", document_id)]))
        return there

    async def get(self, document_id: str) -> Upload | None:
        head = await self._head(document_id)
        return _upload(head) if head else None

    async def read(self, document_id: str) -> tuple[Upload, bytes] | None:
        """A file with its bytes, or None when there is none. Raises DocumentError when bytes of it are lost."""
        head = await self._head(document_id)
        while head is not None:
            if (body := await self._body(head)) is not None:
                return _upload(head), body
            # Perhaps it was replaced since we looked.
            before, head = head, await self._head(document_id)
            if head is not None and head["body"] == before["body"]:
                raise DocumentError(f"{head['name']} is kept no longer as a whole: add it again")
        return None

    async def all(self) -> list[Upload]:
        """All files, in no particular order."""
        return [_upload(head) for head in await self._heads()]

    async def _heads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: Any = None
        where = models.Filter(must=[_is("kind", _HEAD)])
        while True:
            try:
                points, page = await ask(
                    self._client.scroll(self._collection, scroll_filter=where, limit=_PAGE, offset=page, with_payload=True)
                )
            except Missing:
                return []
            found += [point.payload for point in points if point.payload]
            if page is None:
                return found

    async def _head(self, document_id: str) -> dict[str, Any] | None:
        try:
            found = await ask(self._client.retrieve(self._collection, [_id(document_id)]))
        except Missing:
            return None
        return found[0].payload if found else None

    async def _body(self, head: dict[str, Any]) -> bytes | None:
        """None when not all of it is there."""
        pieces: dict[int, bytes] = {}
        ids = [_id(head["body"], number) for number in range(head["pieces"])]
        for start in range(0, len(ids), _PIECES_AT_ONCE):
            for point in await ask(self._client.retrieve(self._collection, ids[start : start + _PIECES_AT_ONCE])):
                payload = point.payload or {}
                pieces[payload["number"]] = base64.b64decode(payload["bytes"])
        body = b"".join(pieces[number] for number in sorted(pieces))
        return body if len(pieces) == head["pieces"] and len(body) == head["size"] else None

    async def _write(self, point: models.PointStruct) -> None:
        try:
            await ask(self._client.upsert(self._collection, [point], wait=True))
        except Missing:
            await self._create()
            await ask(self._client.upsert(self._collection, [point], wait=True))

    async def _delete(self, where: models.Filter) -> None:
        await ask(self._client.delete(self._collection, models.FilterSelector(filter=where), wait=True))

    async def _sweep(self) -> None:
        """Delete pieces that nothing names any more."""
        named = sorted(head["body"] for head in await self._heads())
        old = models.FieldCondition(key="written", range=models.Range(lt=time.time() - self._stale))
        still_read = models.FieldCondition(key="body", match=models.MatchAny(any=named))
        await self._delete(models.Filter(must=[_is("kind", _PIECE), old], must_not=[still_read]))

    async def _create(self) -> None:
        # Without any kind of vector there is no collection; its points have none.
        vectors = {"none": models.SparseVectorParams()}
        with suppress(Conflict):  # another process was faster
            await ask(
                self._client.create_collection(
                    self._collection, vectors_config={}, sparse_vectors_config=vectors, on_disk_payload=True
                )
            )
        for field, kind in _INDEXES.items():
            await ask(self._client.create_payload_index(self._collection, field, models.PayloadSchemaType(kind), wait=True))


def _id(name: str, number: int | None = None) -> str:
    return str(uuid.uuid5(_NAMESPACE, name if number is None else f"{name}\n{number}"))


def _head(upload: Upload, body: str, pieces: int) -> models.PointStruct:
    payload = {
        "kind": _HEAD,
        "document_id": upload.id,
        "name": upload.name,
        "title": upload.title,
        "media_type": upload.media_type,
        "size": upload.size,
        "url": upload.url,
        "gates": gates_of(upload.access),
        "place": upload.place,
        "by": upload.by,
        "by_name": upload.by_name,
        "at": upload.at.isoformat(),
        "version": upload.version,
        "expires_at": upload.expires_at.isoformat() if upload.expires_at else None,
        "made_from": list(upload.made_from),
        "body": body,
        "pieces": pieces,
    }
    return models.PointStruct(id=_id(upload.id), vector={}, payload=payload)


def _piece(document_id: str, body: str, number: int, piece: bytes) -> models.PointStruct:
    payload = {
        "kind": _PIECE,
        "document_id": document_id,
        "body": body,
        "number": number,
        "bytes": base64.b64encode(piece).decode(),
        "written": time.time(),
    }
    return models.PointStruct(id=_id(body, number), vector={}, payload=payload)


def _upload(head: dict[str, Any]) -> Upload:
    return Upload(
        id=head["document_id"],
        name=head["name"],
        title=head["title"],
        media_type=head["media_type"],
        size=head["size"],
        url=head["url"],
        access=access_of(head["gates"]),
        place=head["place"],
        by=head["by"],
        by_name=head["by_name"],
        at=datetime.fromisoformat(head["at"]),
        version=head["version"],
        expires_at=datetime.fromisoformat(head["expires_at"]) if head.get("expires_at") else None,
        made_from=tuple(head.get("made_from", ())),
    )


def _is(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
