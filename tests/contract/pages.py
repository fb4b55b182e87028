"""Some pages of a wiki, and what an index tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from core.indexing.chunking import chunk
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.readers.plain import read_text
from core.models import ANYONE, PUBLIC, Access, Audience, Chunk, Document
from tests.answering import hits_of

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ENG = Access(gates=(frozenset({"group:confluence:eng"}),))
ANA_IN_ENG = Access(gates=(frozenset({"group:confluence:eng"}), frozenset({"user:ana@acme.com"})))
ANA = ("user:ana@acme.com", "group:confluence:eng")
BOB = ("user:bob@acme.com", "group:confluence:eng")


class Remembering(LocalEmbedder):
    """The real one; many tests here write the same texts."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, list[float]] = {}

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= zip(new, await super().embed_documents(new), strict=True)
        return [self._known[text] for text in texts]


EMBEDDER = Remembering()

Pair = tuple[Document, Sequence[Chunk]]


def document(name: str, text: str, access: Access = PUBLIC, source: str = "wiki") -> Pair:
    made = Document(
        id=f"{source}:{name}",
        source=source,
        title=name.title(),
        url=f"https://wiki.acme.com/{name}",
        body=text,
        media_type="text/plain",
        updated_at=NOON,
        access=access,
        path=("Handbook",),
    )
    return made, chunk(made, read_text(text), EMBEDDER.count)


LEAVE = document("leave", "Everybody has thirty days of paid vacation in a year.")
PRINTER = document("printer", "The printer stands on the third floor, beside the kitchen.")
PAY = document("pay", "Salaries of engineers are reviewed every spring.", ENG)
BONUS = document("bonus", "The bonus of the year is paid in March, code ZX-4711.", ANA_IN_ENG)


async def found(index: Index, query: str, audience: Audience = ANYONE, k: int = 10) -> list[str]:
    return [hit.chunk.document_id for hit in await hits_of(index, query, audience, k)]


async def records(index: Index, source: str = "wiki") -> dict[str, tuple[str, str, int]]:
    return {r.document_id: (r.content_hash, r.access_class, r.chunks) async for r in index.records(source)}
