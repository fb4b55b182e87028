"""What a search found is looked at once more before anything is made of it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from core.answering.retriever import SearchRetriever
from core.models import ANYONE, PUBLIC, Access, Audience, Query, Retrieved, Signals
from tests.answering import hit

HIDDEN = Access(gates=(frozenset({"group:board"}),))
SEEN = hit()
SIGNALS = Signals(coverage=1, agreement=1, lead=1)
LOOKED_AT = frozenset({"wiki:leave", "wiki:salaries"})


async def search(_query: Query, _audience: Audience, _k: int) -> Retrieved:
    return Retrieved(hits=(SEEN,), signals=SIGNALS, looked_at=LOOKED_AT)


@pytest.mark.parametrize(("now", "signals"), [(PUBLIC, SIGNALS), (HIDDEN, None), (None, None)])
async def test_a_page_that_became_hidden_or_is_gone_does_not_decide_whether_there_is_an_answer(
    now: Access | None, signals: Signals | None
) -> None:
    async def accesses(ids: Collection[str]) -> dict[str, Access]:
        known = {"wiki:leave": PUBLIC, "wiki:salaries": now}
        return {id: access for id in ids if (access := known.get(id))}

    retriever = SearchRetriever(search=search, accesses=accesses, audience=ANYONE, k=5)
    found = await retriever.retrieve(Query(text="leave"))
    assert (found.hits, found.signals) == ((SEEN,), signals)
