"""What each step of the search adds: the whole of it beside the same without that step, over the same questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import click

from bots.terminal.asking import collapsed, understood
from bots.terminal.case_index import WithoutHeaders, indexed
from core.answering.understanding.understanding import Steps
from core.embedded.keeper import attach
from core.evaluation.cases import Case, CaseSet
from core.evaluation.outcome import Outcome
from core.evaluation.retrieval import Collapse, Step, retrieve, step
from core.indexing.index import Index
from core.indexing.qdrant import connect
from core.indexing.recipe import Recipe
from core.models import Hit
from core.ports import Embedder, Search

if TYPE_CHECKING:
    from bots.app import App


async def ablation(app: App, chosen: CaseSet, cases: Sequence[Case], whole: Sequence[Outcome]) -> list[Step]:
    """The search without each of its steps, and with words or meaning alone."""
    values = {one.id: one.values for one in whole}
    plain = Recipe(**dict.fromkeys(("bigrams", "titles", "rare", "parents"), False))
    recipes = {f"without {each.name}": replace(Recipe(), **{each.name: False}) for each in fields(Recipe)}
    alone = {"BM25 alone": replace(plain, meaning=False), "dense alone": replace(plain, words=False)}
    steps = []

    async def measure(name: str, search: Search, collapse: Collapse = collapsed) -> None:
        outcomes = await retrieve(cases, search, collapse)
        steps.append(step(name, values, {one.id: one.values for one in outcomes}))
        click.echo(f"measured: {name}", err=True)

    async with _indexes(app) as make:
        for name, recipe in recipes.items():
            search = make(Index, recipe=recipe).search
            await measure(name, understood(app, search), collapsed if recipe.cut else uncut)
        headless = make(WithoutHeaders, "headless")
        await headless.open()
        await indexed(app, chosen, headless)
        await measure("without headers", understood(app, headless.search))
        # Follow-ups are rewritten by a model only, and none is asked here.
        for name in (each.name for each in fields(Steps) if each.name != "rewrite"):
            await measure(f"without {name}", understood(app, app.index.search, name))
        for name, recipe in alone.items():
            await measure(name, make(Index, recipe=recipe).search)
    return steps


def uncut(hits: Sequence[Hit]) -> list[Collection[str]]:
    return [[id] for id in dict.fromkeys(hit.chunk.document_id for hit in hits)]


@asynccontextmanager
async def _indexes(app: App) -> AsyncIterator[Callable[..., Index]]:
    """Makes indexes, by their class and its arguments behind the embedder, over the engine that the app uses."""
    engines = await attach(app.settings.footnote_data_dir)
    client = connect(socket=engines.qdrant_socket)
    embedder = _Remembering(app.embedder)
    try:
        yield lambda kind, *args, **options: kind(client, embedder, *args, **options)
    finally:
        await client.close()
        await engines.release()


class _Remembering:
    """Embeds a question once: each step asks the same ones."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dimension = embedder.name, embedder.dimension
        self.count, self.embed_documents = embedder.count, embedder.embed_documents
        self._embedder = embedder
        self._known: dict[str, list[float]] = {}

    async def embed_query(self, text: str) -> list[float]:
        if text not in self._known:
            self._known[text] = await self._embedder.embed_query(text)
        return self._known[text]
