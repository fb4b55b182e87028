"""The index of an evaluation set, made as a sync makes one: by the same connector, parser, chunker and embedder."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.answering.footnotes import plain
from core.errors import UserError
from core.evaluation.cases import PAGES, CaseSet
from core.evaluation.corpus import CORPUS
from core.evaluation.wording import tokens
from core.indexing import sparse
from core.indexing.index import Guard, Index, unguarded
from core.indexing.payloads import text_hash
from core.indexing.pipeline import Outcome, Pipeline
from core.models import Chunk, Document, Failed, Upsert
from core.together import Together

if TYPE_CHECKING:
    from bots.app import App


@dataclass(frozen=True, kw_only=True)
class Indexed:
    documents: Mapping[str, Document]
    texts: Mapping[str, Sequence[str]]
    """The tokens of each document as it can be quoted."""
    embedded: int
    """Documents that were not in the index yet."""


@dataclass(kw_only=True)
class _Run:
    known: Mapping[str, str]
    """Document id to the hash of the text that is in the index."""
    hashed: Callable[[Sequence[Chunk]], Sequence[Chunk]]
    """Chunks as they are written."""
    texts: dict[str, Sequence[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    moved: list[Document] = field(default_factory=list)
    embedded: int = 0

    def is_same(self, document: Document, chunks: Sequence[Chunk]) -> bool:
        self.texts[document.id] = tokens("\n".join(plain(chunk.text) for chunk in chunks))
        return self.known.get(document.id) == text_hash(self.hashed(chunks))

    async def done(self, outcome: Outcome) -> None:
        if outcome.error:
            self.failed.append(f"{outcome.document.id}: {outcome.error}")
        elif outcome.same:
            self.moved.append(outcome.document)
        else:
            self.embedded += 1


class WithoutHeaders(Index):
    """Chunks without title and headings in front of them, neither indexed nor embedded: to know what those are worth."""

    async def upsert(self, pairs: Sequence[tuple[Document, Sequence[Chunk]]], guard: Guard = unguarded) -> int:
        return await super().upsert([(document, bare(chunks)) for document, chunks in pairs], guard)


def bare(chunks: Sequence[Chunk]) -> list[Chunk]:
    return [replace(chunk, title="", headings=()) for chunk in chunks]


async def indexed(app: App, chosen: CaseSet, index: Index | None = None) -> Indexed:
    """Bring the index in step with the set; what it holds already is not embedded again. Raises UserError when a document
    cannot be read, or a case names one that there is not.
    """
    index = index or app.index
    documents = {document.id: document async for document in _documents(chosen)}
    chosen.check(documents.keys())
    source = CORPUS if chosen.pages is None else PAGES
    known = {record.document_id: record.text_hash async for record in index.records(source)}
    await index.remove(sorted(known.keys() - documents.keys()))
    run = _Run(known=known, hashed=bare if isinstance(index, WithoutHeaders) else list)
    pipeline = Pipeline(index, app.parser, app.embedder.count, begin=_begin, done=run.done, guard=unguarded, is_same=run.is_same)
    async with Together() as tasks:
        tasks.create_task(pipeline.parse())
        tasks.create_task(pipeline.write())
        for document in documents.values():
            await pipeline.put(document)
        pipeline.close()
    if run.failed:
        raise UserError(f"{len(run.failed)} documents of the set cannot be indexed, the first is {run.failed[0]}")
    for document in run.moved:
        await index.relabel(document)
    return Indexed(documents=documents, texts=run.texts, embedded=run.embedded)


def kept_in(folder: Path, chosen: CaseSet) -> Path:
    """Where below ``folder`` the index of a set is kept. What makes the vectors of words is part of the name: other changes
    are seen in the index itself.
    """
    assert sparse.__file__
    made_by = hashlib.sha256(Path(sparse.__file__).read_bytes()).hexdigest()[:8]
    return folder / f"{chosen.name}-{made_by}"


async def _documents(chosen: CaseSet) -> AsyncIterator[Document]:
    if chosen.pages is None:
        for document in chosen.corpus:
            yield document
        return
    from connectors.folder.source import FolderSource

    async for change in FolderSource(PAGES, chosen.pages).changes(None, {}):
        match change:
            case Upsert(document=document):
                yield document
            case Failed(document_id=id, error=error):
                raise UserError(f"{id} of the set cannot be read: {error}")


async def _begin(_document_ids: Sequence[str]) -> None:
    """Nothing is noted of a set: an index that was cut off is seen to be."""
