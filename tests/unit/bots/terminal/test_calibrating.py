"""Which questions tell how sure an answer must be, and what comes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bots.terminal.calibrating import look
from core.errors import UserError
from core.evaluation.calibration import LEAST
from core.evaluation.cases import Case
from core.models import Access, Audience, Query, Retrieved, Signals
from tests.answering import hit

SECRET = Access(gates=(frozenset({"group:board"}),))
PAGES = [hit(f"wiki:{number}", f"Room {number} has {number} beds.", title=f"Room {number}") for number in range(LEAST)]


async def search(query: Query, audience: Audience, k: int) -> Retrieved:
    pages = [page for page in PAGES if page.chunk.document_id not in query.without and audience.may_read(page.chunk.access)]
    found = sorted(pages, key=lambda page: page.chunk.title not in query.text)
    return Retrieved(hits=tuple(found[:3]), signals=Signals(coverage=0.5, agreement=0.5, lead=0.1))


async def embed(text: str) -> list[float]:
    return [1.0, 0.0]


APP = cast("Any", SimpleNamespace(index=SimpleNamespace(search=search), embedder=SimpleNamespace(embed_query=embed)))


def cases(*numbers: int) -> list[Case]:
    return [
        Case(id=str(number), question=f"Beds in Room {number}?", kind="rated", documents={f"wiki:{number}": 1})
        for number in numbers
    ]


async def test_a_question_whose_page_not_everybody_may_read_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = hit("wiki:secret", "Room 99 has no bed.", title="Room 99", access=SECRET)
    monkeypatch.setattr("tests.unit.bots.terminal.test_calibrating.PAGES", [*PAGES, hidden])
    secret = Case(id="secret", question="Beds in Room 99?", kind="rated", documents={"wiki:secret": 1})
    assert len(await look(APP, [*cases(*range(LEAST)), secret])) == LEAST


async def test_too_few_questions_are_refused_with_what_to_do() -> None:
    with pytest.raises(UserError, match="name a set of your own"):
        await look(APP, cases(*range(LEAST - 1)))
