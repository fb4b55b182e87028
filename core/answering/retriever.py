"""The index as a LangChain retriever, for one audience."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from core.errors import TransientError
from core.models import Audience, Hit

UNAVAILABLE = "Search is unavailable right now, so I cannot answer: I never answer without looking."


class SearchRetriever(BaseRetriever):
    """Finds what every reader of ``audience`` may read. It belongs to one question: an audience is never reused."""

    search: Any
    """A :class:`core.ports.Search`."""
    audience: Audience
    k: int
    timeout: float
    """Seconds. Raises TransientError when the search fails or takes longer: a person waits."""

    async def hits(self, query: str) -> list[Hit]:
        return [document.metadata["hit"] for document in await self.ainvoke(query)]

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun) -> list[Document]:
        try:
            async with asyncio.timeout(self.timeout):
                hits: list[Hit] = await self.search(query, self.audience, self.k)
        except (TransientError, TimeoutError) as error:
            raise TransientError(UNAVAILABLE) from error
        # The filter is in the query. That an answer never leaves its audience is checked once more where it costs nothing.
        readable = [hit for hit in hits if self.audience.may_read(hit.chunk.access)]
        return [Document(id=hit.chunk.id, page_content=hit.chunk.indexed_text, metadata={"hit": hit}) for hit in readable]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise NotImplementedError("Footnote is asynchronous: await ainvoke()")
