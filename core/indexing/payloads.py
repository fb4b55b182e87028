"""What is stored beside the vectors of a chunk, and how it is read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.indexing import sparse
from core.models import Access, Chunk, Document


def payload_of(document: Document, chunk: Chunk, chunks: Sequence[Chunk]) -> dict[str, Any]:
    """The payload of a point. That of the first chunk is also the record of its document, pending until all is written."""
    payload: dict[str, Any] = {
        "document_id": chunk.document_id,
        "position": chunk.position,
        "source": chunk.source,
        "title": chunk.title,
        "url": chunk.url,
        "headings": list(chunk.headings),
        "text": chunk.text,
        "updated_at": chunk.updated_at.isoformat(),
        "access": chunk.access.class_id,
        "content_hash": document.content_hash,
    }
    if chunk.position == 0:
        payload |= {
            "chunks": len(chunks),
            "text_hash": text_hash(chunks),
            "terms": sparse.VERSION,
            "path": list(document.path),
            "gates": gates_of(chunk.access),
            "version": document.version,
            "owners": list(document.owners),
            "pending": True,
        }
    return payload


def text_hash(chunks: Sequence[Chunk]) -> str:
    """Hash of all that is embedded of a document: 32 hex digits. Other bytes may hold the same text."""
    return hashlib.sha256("\0".join(chunk.indexed_text for chunk in chunks).encode()).hexdigest()[:32]


def chunk_of(payload: Mapping[str, Any], access: Access) -> Chunk:
    return Chunk(
        document_id=payload["document_id"],
        position=payload["position"],
        source=payload["source"],
        title=payload["title"],
        url=payload["url"],
        headings=tuple(payload["headings"]),
        text=payload["text"],
        updated_at=datetime.fromisoformat(payload["updated_at"]),
        access=access,
    )


def gates_of(access: Access) -> str:
    """An access as one string, equal for all that have the same class."""
    return json.dumps(sorted({tuple(sorted(gate)) for gate in access.gates}))


def access_of(gates: str) -> Access:
    return Access(gates=tuple(frozenset(gate) for gate in json.loads(gates)))
