"""The index as a LangChain retriever, for one audience."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from core.answering.access import readable
from core.errors import TransientError
from core.models import Audience, Hit, Query, Retrieved

UNAVAILABLE = "Search is unavailable right now, so I cannot answer: I never answer without looking."


class SearchRetriever(BaseRetriever):
    """Finds what every reader of ``audience`` may read. It belongs to one question: an audience is never reused.

    The filter is in the query; yet the index may have been asked a moment too early. So who may read the documents, and
    whether they are still there, is looked up once more before anything is made of them.
    """

    search: Any
    """A :class:`core.ports.Search`."""
    accesses: Any
    """A :data:`core.ports.Accesses`."""
    audience: Audience
    k: int

    async def retrieve(self, query: Query) -> Retrieved:
        """Raises TransientError, worded for the person who asked, when search or look-up fail."""
        try:
            found: Retrieved = await self.search(query, self.audience, self.k)
            hits = [hit for hit in found.hits if self._fits(hit, query)]
            allowed = await readable({hit.chunk.document_id for hit in hits} | found.looked_at, self.audience, self.accesses)
        except TransientError as error:
            raise TransientError(UNAVAILABLE) from error
        return Retrieved(
            hits=tuple(hit for hit in hits if hit.chunk.document_id in allowed),
            # What was taken away decides nothing either: not even whether to answer.
            signals=found.signals if found.looked_at <= allowed else None,
            looked_at=found.looked_at & allowed,
        )

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun) -> list[Document]:
        found = await self.retrieve(Query(text=query))
        return [Document(id=hit.chunk.id, page_content=hit.chunk.indexed_text, metadata={"hit": hit}) for hit in found.hits]

    def _fits(self, hit: Hit, query: Query) -> bool:
        return self.audience.may_read(hit.chunk.access) and (not query.sources or hit.chunk.source in query.sources)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise NotImplementedError("Footnote is asynchronous: await ainvoke()")
