"""The generations of the index: each embedding model has a collection of its own, and an alias says which one answers.

Vectors of two models are never mixed. When the model changes, ordinary syncs fill a new collection while the old one goes
on answering; then the alias is moved in one step, and the old collection is deleted. All that is known of this stands in
Qdrant, so that any process may do any step, and the next one repeats what a crash left out.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from qdrant_client import AsyncQdrantClient, models

from core.errors import ConfigError, TransientError
from core.indexing.qdrant import SEARCH_SECONDS, Conflict, Missing, ask
from core.ports import Embedder

DENSE, SPARSE = "dense", "sparse"
_INDEXES: Mapping[str, models.PayloadSchemaType] = {
    "document_id": models.PayloadSchemaType.KEYWORD,
    "source": models.PayloadSchemaType.KEYWORD,
    "access": models.PayloadSchemaType.KEYWORD,
    "gates": models.PayloadSchemaType.KEYWORD,
    "position": models.PayloadSchemaType.INTEGER,
    "path": models.PayloadSchemaType.KEYWORD,
    "owners": models.PayloadSchemaType.KEYWORD,
    "updated_at": models.PayloadSchemaType.DATETIME,
}
_MODEL, _ID = "footnote_embeddings", "footnote_id"
_LOOKS = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Generation:
    collection: str
    model: str
    dimension: int
    id: str
    """32 hex digits, others for each collection that was ever made; empty where Footnote did not give any yet."""
    passing: bool = False
    """Its name is that of the alias, which may stand for another collection at any moment."""

    def fits(self, embedder: Embedder) -> bool:
        return (self.model, self.dimension) == (embedder.name, embedder.dimension)


class Generations:
    """Those behind one alias, seen from a process that embeds with one model."""

    def __init__(self, client: AsyncQdrantClient, embedder: Embedder, alias: str) -> None:
        self.name = _name(alias, embedder.name, embedder.dimension)
        """Of this model's collection, unless that has the alias itself for a name."""
        self._client = client
        self._embedder = embedder
        self._alias = alias

    async def answering(self) -> Generation | None:
        """What the alias stands for, or None while there is none. Without one, a collection may have its name.

        Raises ConfigError when that was not made by Footnote.
        """
        for _ in range(_LOOKS):
            found = await ask(self._client.get_aliases(), SEARCH_SECONDS)
            name = next((known.collection_name for known in found.aliases if known.alias_name == self._alias), None)
            if name is None and self._alias not in await self._names():
                return None
            # It may be switched and deleted between two looks.
            if generation := await self._find(name or self._alias):
                return generation
        raise TransientError("search is unavailable: the index is being exchanged")

    async def own(self) -> Generation | None:
        """This model's, if it has one that does not answer yet."""
        return await self._find(self.name)

    async def made(self, answering: Generation | None) -> Generation:
        """This model's, made if it is not there."""
        own = answering if answering and answering.fits(self._embedder) else await self.own()
        if own is None:
            with suppress(Conflict):  # another process was faster
                await self._create()
            own = await self.own()
        if own is None:
            raise TransientError("search is unavailable: the index is being exchanged")
        schema = (await ask(self._client.get_collection(own.collection))).payload_schema
        for field, kind in _INDEXES.items():
            if field not in schema:
                await ask(self._client.create_payload_index(own.collection, field, kind, wait=True))
        return own

    async def switch(self, own: Generation, former: Generation | None) -> None:
        """Have ``own`` answer from now on."""
        if former and former.passing:
            # Only without that collection there can be an alias of its name.
            await ask(self._client.delete_collection(former.collection))
        forget = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
        create = models.CreateAlias(collection_name=own.collection, alias_name=self._alias)
        moved: list[models.AliasOperations] = [forget, models.CreateAliasOperation(create_alias=create)]
        await ask(self._client.update_collection_aliases(moved))
        log.info("index.switched", model=own.model, collection=own.collection, before=former.model if former else None)

    async def drop_others(self, answering: Generation) -> None:
        """Delete the generations that neither answer nor are going to: what a switch, or a model that was set back, left."""
        for other in await self.all():
            if other.collection != answering.collection and not other.passing:
                await ask(self._client.delete_collection(other.collection))
                log.info("index.dropped", model=other.model, collection=other.collection)

    async def all(self) -> list[Generation]:
        """Whichever model made them."""
        found = []
        for name in await self._names():
            if name == self._alias or name.startswith(f"{self._alias}-"):
                with suppress(ConfigError):  # it is not one of ours
                    generation = await self._find(name)
                    own_name = generation and _name(self._alias, generation.model, generation.dimension)
                    if generation and name in {self._alias, own_name}:
                        found.append(generation)
        return found

    async def _names(self) -> set[str]:
        return {known.name for known in (await ask(self._client.get_collections())).collections}

    async def _find(self, name: str) -> Generation | None:
        try:
            info = await ask(self._client.get_collection(name))
        except Missing:
            return None
        vectors, metadata = info.config.params.vectors, info.config.metadata or {}
        dense = vectors.get(DENSE) if isinstance(vectors, dict) else None
        if dense is None or _MODEL not in metadata:
            raise ConfigError(
                f"the Qdrant collection {name!r} was not made by Footnote, or by a server before 1.16: "
                "name another server in QDRANT_URL, or delete that collection"
            )
        return Generation(
            collection=name,
            model=metadata[_MODEL],
            dimension=dense.size,
            id=metadata.get(_ID, ""),
            passing=name == self._alias,
        )

    async def _create(self) -> None:
        await ask(
            self._client.create_collection(
                self.name,
                vectors_config={DENSE: models.VectorParams(size=self._embedder.dimension, distance=models.Distance.COSINE)},
                sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                metadata={_MODEL: self._embedder.name, _ID: uuid.uuid4().hex},
            )
        )


def _name(alias: str, model: str, dimension: int) -> str:
    """The same for the same model everywhere, and another one for every other."""
    readable = re.sub(r"[^a-z0-9.]+", "-", model.casefold())[:100].strip("-")
    return f"{alias}-{readable}-{hashlib.sha256(f'{model} {dimension}'.encode()).hexdigest()[:8]}"
