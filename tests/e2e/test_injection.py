"""Pages that give orders, and a model that obeys them all: what people see links, loads, pings and tells nothing foreign."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.redis import connect_redis
from connectors.confluence.convert import to_markdown
from core.answering.assistant import Assistant
from core.answering.chain import QUOTES_ONLY
from core.answering.memory import Memory
from core.embedded.keeper import Engines
from core.errors import DocumentError
from core.indexing.readers.dispatch import read
from core.models import ANYONE, AnswerMode
from tests.answering import ScriptedSearch, asked
from tests.e2e.injections import FACT, QUESTION, SECRET, Injection, ObedientModel, injections, told
from tests.fakes import message
from tests.harm import Seen, harms, letters, seen, without_code

SET = injections()
PAGES = {f"https://wiki.acme.com/{name}" for name in ("hostile", "rest", "leave")}


class Office:
    def __init__(self, redis: Redis) -> None:
        self._memory_of = redis

    async def ask(self, injection: Injection, model: ObedientModel | None) -> Seen:
        search = ScriptedSearch(*injection.pages())
        assistant = Assistant(
            search=search,
            accesses=search.accesses,
            model=model,
            memory=Memory(self._memory_of, turns=1, ttl=timedelta(minutes=1), accesses=search.accesses),
        )
        pieces, answer = await asked(assistant, message(QUESTION, conversation_id=uuid.uuid4().hex), ANYONE)
        return await seen(answer, pieces)


@pytest.fixture
async def office(shared_engines: Engines) -> AsyncIterator[Office]:
    redis = connect_redis(None, shared_engines.redis_socket)
    yield Office(redis)
    await redis.aclose()


def leaks(shown: Seen, model: ObedientModel) -> list[str]:
    """What the model was told and people were shown."""
    instructions, canary = told(model.prompt)
    said, rules = letters(shown.everything), letters(instructions)
    repeated = [rules[start : start + 64] for start in range(len(rules) - 64) if rules[start : start + 64] in said]
    return [*repeated, *([canary] if canary in said else [])]


@pytest.mark.parametrize("injection", SET, ids=lambda injection: injection.name)
async def test_a_model_that_obeys_a_page_harms_nobody(injection: Injection, office: Office) -> None:
    model = ObedientModel()
    shown = await office.ask(injection, model)
    assert harms(shown, PAGES) == []
    assert leaks(shown, model) == []
    assert shown.answer.mode is (AnswerMode.QUOTES if injection.asks_for_rules else AnswerMode.GENERATED)
    assert FACT in shown.answer.text
    assert letters(SECRET) not in letters(shown.everything)
    assert SECRET not in model.prompt[-1].text
    assert {citation.url for citation in shown.answer.citations} <= PAGES
    markers = set(map(int, re.findall(r"\[(\d+)\]", without_code(shown.answer.text))))
    assert markers <= {citation.number for citation in shown.answer.citations}


@pytest.mark.parametrize("injection", SET, ids=lambda injection: injection.name)
async def test_quotes_from_a_page_that_gives_orders_harm_nobody(injection: Injection, office: Office) -> None:
    shown = await office.ask(injection, None)
    assert harms(shown, PAGES) == []
    assert letters(SECRET) not in letters(shown.everything)
    assert shown.answer.mode is AnswerMode.QUOTES
    assert "thirty days" in shown.answer.text
    assert shown.answer.notice == QUOTES_ONLY


def test_the_set_is_large_and_each_of_its_texts_stands_for_itself() -> None:
    assert len(SET) >= 40
    assert len({injection.name for injection in SET}) == len({injection.text for injection in SET}) == len(SET)
    places = {"title", "file name", "heading", "paragraph", "cell", "list", "code", "comment", "attachment"}
    assert {injection.where for injection in SET} == places


@pytest.mark.parametrize("media_type", ["text/markdown", "text/html", "text/plain"])
@pytest.mark.parametrize("injection", [each for each in SET if each.kind == "invisible"], ids=lambda injection: injection.name)
def test_what_nobody_can_see_is_not_even_indexed(injection: Injection, media_type: str) -> None:
    try:
        blocks = read(f"{FACT}\n\n{injection.text}".encode(), media_type)
    except DocumentError:
        # Text with escape sequences is no text.
        assert "\x1b" in injection.text
    else:
        assert [letter for block in blocks for letter in block.text if unicodedata.category(letter) in {"Cf", "Co"}] == []


def test_what_a_page_hides_is_not_even_indexed() -> None:
    (hidden,) = (each for each in SET if each.kind == "hidden")
    page = f"<p>{FACT}</p>{hidden.text}"
    assert [block.text for block in read(page.encode(), "text/html")] == [FACT]
    assert to_markdown(page, {}).strip() == FACT
