"""A changed page becomes knowledge: one run over one source (see :mod:`core.indexing.run`).

Every write can be repeated, and is announced (see :mod:`core.indexing.writes`); the cursor is saved only when
everything before it is in the index. So a sync that dies anywhere leaves nothing that the next one does not mend.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from core.indexing.ledger import Ledger
from core.indexing.pipeline import Helpers, Pipeline
from core.indexing.run import Run
from core.indexing.writes import Persist, Writes
from core.models import SyncReport, SyncRequest, SyncState, now
from core.ports import Embedder, Source
from core.retry import retry
from core.together import Together

if TYPE_CHECKING:
    from core.indexing.index import Index
    from core.indexing.parsing import Parser

PERSIST_ATTEMPTS = 8
PERSIST_SECONDS = 300.0
"""How long an index that does not answer is asked again before the sync is given up."""

_persist: Persist = partial(retry, attempts=PERSIST_ATTEMPTS, budget=PERSIST_SECONDS)


class Syncer:
    """Brings the index in step with a source."""

    def __init__(
        self,
        index: Index,
        parser: Parser,
        embedder: Embedder,
        *,
        helpers: Helpers | None = None,
        persist: Persist = _persist,
        clock: Callable[[], datetime] = now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """``persist`` calls the index again while it does not answer; ``helpers`` take documents off our hands."""
        self._index = index
        self._parser = parser
        self._embedder = embedder
        self._helpers = helpers
        self._persist = persist
        self._clock = clock
        self._timer = timer

    async def run(self, source: Source, request: SyncRequest, state: SyncState, ledger: Ledger) -> SyncReport:
        """One sync, from the cursor of ``state``. The ledger hears of progress at most twice a second.

        A document that fails is a row of the report. Raises AuthError, ConfigError or TransientError of the source or
        the index, UserError for a scope that means nothing, and FootnoteError when the source suddenly lists nothing. A
        report with ``withheld`` documents means that more vanished than may be removed unasked: they are all still in
        the index.
        """
        opened = await self._index.open()
        if not request.dry_run:
            await self._index.tidy()
        writes = Writes(self._index, opened.id, ledger, state.cursor, self._persist, self._clock, dry_run=request.dry_run)
        run = Run(source, request, state, writes, ledger, self._clock, self._timer)
        pipeline = Pipeline(
            self._index,
            self._parser,
            self._embedder.count,
            begin=writes.begin,
            done=run.done,
            guard=writes.guard,
            is_same=run.is_same,
            persist=self._persist,
            helpers=self._helpers,
        )
        async with Together() as tasks:
            tasks.create_task(pipeline.parse())
            tasks.create_task(pipeline.write())
            await run.all(pipeline)
            pipeline.close()
        report = await run.finish()
        return report if opened.answers else replace(report, rebuilt=opened.id)

    async def switch(self, index_id: str) -> None:
        """Have questions answered from the collection of that id: all sources are in it."""
        await self._index.switch(index_id)
