"""Documents on their way to a helper, and what became of them on their way back: JSON both times."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter

from core.indexing.pipeline import Outcome
from core.models import Document

_DOCUMENTS = TypeAdapter(Document)


@dataclass(frozen=True, kw_only=True)
class Batch:
    source: str
    owner: str
    """Of the claim under which the documents are written."""
    margin: float
    """Seconds that the claim must still hold when a write begins, so that it ends before another one may claim."""
    documents: Sequence[Document]

    def pack(self) -> bytes:
        documents = [_packed(document) for document in self.documents]
        return orjson.dumps([self.source, self.owner, self.margin, documents])

    @classmethod
    def unpack(cls, packed: str | bytes) -> Batch:
        source, owner, margin, documents = orjson.loads(packed)
        return cls(source=source, owner=owner, margin=margin, documents=[_unpacked(*document) for document in documents])


def pack_outcomes(outcomes: Sequence[Outcome]) -> str:
    return orjson.dumps([(outcome.chunks, outcome.error) for outcome in outcomes]).decode()


def unpack_outcomes(packed: str | bytes, documents: Sequence[Document]) -> list[Outcome]:
    told = zip(documents, orjson.loads(packed), strict=True)
    return [Outcome(document=document, chunks=chunks, error=error) for document, (chunks, error) in told]


def _packed(document: Document) -> tuple[dict[str, Any], str, bool]:
    head = _DOCUMENTS.dump_python(document, mode="json", exclude={"body"})
    if isinstance(document.body, bytes):
        return head, base64.b64encode(document.body).decode(), True
    return head, document.body, False


def _unpacked(head: dict[str, Any], body: str, is_bytes: bool) -> Document:
    return _DOCUMENTS.validate_python({**head, "body": base64.b64decode(body) if is_bytes else body})
