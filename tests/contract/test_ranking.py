"""What a search puts first, and what it tells of how sure it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

import pytest
from qdrant_client import AsyncQdrantClient

from core.indexing.index import Index
from core.indexing.recipe import Recipe
from core.models import ANYONE, Audience, Query, Retrieved, Scope
from tests.conftest import SERVER_URL
from tests.contract.pages import ANA, BOB, EMBEDDER, ENG, Pair, document

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

LEAVE = document("leave", "Everybody has thirty days of paid vacation in a year. In Norway it is twenty-five days.")
SICK = document("sick", "Whoever is ill calls before nine. A doctor's note is due on the third day.")
CAR = document("car", "A company car may be driven abroad. Charging it is paid for.")
TICKETS = [
    document(f"ticket {number}", f"An outage of the storage, part {number}: the status, what was done, who was told.")
    for number in range(40)
]
TICKET = document("notes", "What we learned on Monday. See INC-4711. The coffee was cold.")


@pytest.fixture
async def index(client: AsyncQdrantClient, name: str) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    return index


async def first(index: Index, query: Query | str, audience: Audience = ANYONE, k: int = 3) -> list[str]:
    """The documents of the first hits."""
    found = await index.search(Query(text=query) if isinstance(query, str) else query, audience, 10)
    return list(dict.fromkeys(hit.chunk.document_id.partition(":")[2] for hit in found.hits))[:k]


def without(index: Index, **steps: bool) -> Index:
    """The same index, searched without some steps."""
    return Index(index._client, EMBEDDER, index._generations._alias, recipe=Recipe(**steps))


async def test_an_identifier_that_is_all_that_is_asked_for_comes_first_and_inside_a_sentence_among_the_first(index):
    await index.upsert([*TICKETS, TICKET])
    assert await first(index, "INC-4711", k=1) == ["notes"]
    assert await first(index, "status of inc-4711?", k=1) == ["notes"]
    sentence = "what was done after the outage of the storage and who was told of the status in INC-4711"
    assert "notes" in await first(index, sentence)


async def test_a_follow_up_is_about_what_was_asked_before(index):
    await index.upsert([LEAVE, SICK, CAR])
    follow_up = Query(
        text="and in Norway abroad?", before="How many days of paid vacation do I have?", answered="Thirty days [1]."
    )
    assert (await first(index, follow_up))[0] == "leave"
    assert (await first(without(index, history=False), follow_up))[0] == "car"


async def test_other_words_for_a_question_are_searched_for_but_count_less_than_its_own(index):
    await index.upsert([LEAVE, SICK, CAR])
    assert (await first(index, Query(text="the PTO?", also=("paid vacation",))))[0] == "leave"
    assert (await first(index, Query(text="may I drive a company car", also=("paid vacation",))))[0] == "car"


@pytest.mark.parametrize(
    ("steps", "question", "best"),
    [({"meaning": False}, "vacation", "leave"), ({"words": False}, "how much holiday do we get", "leave")],
    ids=["by words alone", "by meaning alone"],
)
async def test_either_kind_of_search_works_alone(index, steps, question, best):
    await index.upsert([LEAVE, SICK, CAR])
    assert (await first(without(index, **steps), question))[0] == best


async def test_a_long_document_leaves_room_for_others(index):
    long = document("long", "\n\n".join(islice(cycle([f"Paid vacation, and again: {'vacation days ' * 30}."]), 30)))
    await index.upsert([long, LEAVE, SICK])
    found = await index.search(Query(text="paid vacation days"), ANYONE, 10)
    assert sum(hit.chunk.document_id == "wiki:long" for hit in found.hits) == 3
    assert "wiki:leave" in {hit.chunk.document_id for hit in found.hits}


async def signals(index: Index, question: str, audience: Audience = ANYONE) -> Retrieved:
    return await index.search(Query(text=question), audience, 5)


async def test_signals_are_higher_for_what_stands_there(index):
    await index.upsert([LEAVE, SICK, CAR, *TICKETS])
    known = (await signals(index, "How many days of paid vacation in a year?")).signals
    unknown = (await signals(index, "What is the wingspan of an albatross?")).signals
    assert known
    assert unknown
    assert known.coverage > 0.7 > 0.3 > unknown.coverage
    assert known.agreement > unknown.agreement
    assert known.lead > unknown.lead


@pytest.mark.parametrize("client_of", ["engine", *(["server"] if SERVER_URL else [])], indirect=True)
async def test_neither_order_nor_signals_tell_of_what_is_hidden(index):
    question = "Is there a bonus for engineers, and what was INC-4711?"
    await index.upsert([LEAVE, SICK, CAR, TICKET, *TICKETS])
    before = await signals(index, question)
    hidden: list[Pair] = [document(f"pay {n}", "The bonus of engineers. See INC-4711, engineers.", ENG) for n in range(60)]
    await index.upsert(hidden)
    assert await signals(index, question) == before
    assert await signals(index, question, Audience.of(BOB)) != before
    assert await signals(Index(index._client, EMBEDDER, index._generations._alias), question) == before, "nor in another process"


async def test_a_search_stays_within_what_the_question_is_limited_to(index):
    await index.upsert([(replace(LEAVE[0], owners=(ANA[0],)), LEAVE[1]), SICK, CAR])
    assert await first(index, Query(text="day", scope=Scope(people=(ANA[0],)))) == ["leave"]
    assert await first(index, Query(text="day", scope=Scope(people=("user:nobody@acme.com",)))) == []
