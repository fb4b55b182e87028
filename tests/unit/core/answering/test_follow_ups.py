"""What may be asked next reads well, stands on what was found, and is answered when it is asked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from core.answering.evidence import collapse
from core.answering.follow_ups import LONGEST, MOST, follow_ups
from core.answering.quoting.quotes import quote
from core.indexing.chunking import chunk
from core.indexing.embedding import LocalEmbedder
from core.indexing.index import Index
from core.indexing.readers.markup import read_markdown
from core.models import ANYONE, PUBLIC, AnswerMode, Citation, Document, Hit
from tests.answering import UPDATED, hit, hits_of

HANDBOOK = Path(__file__).parents[4] / "deploy/handbook"
SAYS = "Some words about this, in enough of them to be worth a question of its own."


def cites(item: Hit) -> Citation:
    return Citation(
        number=1,
        document_id=item.chunk.document_id,
        title=item.chunk.title,
        url=item.chunk.url,
        quote=item.chunk.text,
        updated_at=UPDATED,
    )


def page(*headings: str, title: str = "Travel policy", id: str = "wiki:travel", text: str = SAYS, score: float = 1.0) -> Hit:
    return hit(id, f"{text} {headings}", title=title, headings=headings, score=score, position=abs(hash(headings)) % 1000)


CITED = page("Rail", text="You go by rail.")


def proposed(*hits: Hit, question: str = "How do I travel by rail?", asked: tuple[str, ...] = ()) -> tuple[str, ...]:
    return follow_ups(question, AnswerMode.GENERATED, (CITED, *hits), (cites(CITED),), asked)


@pytest.mark.parametrize(
    ("headings", "said"),
    [
        (("Who pays for dinner?",), "Who pays for dinner?"),
        (("Per diems abroad",), "What about per diems abroad?"),
        (("3.2 Booking a trip",), "What about booking a trip?"),
        (("Hotels",), "Travel policy: what about hotels?"),
        (("Abroad", "Hotels"), "Abroad: what about hotels?"),
        (("How to claim expenses",), "How do I claim expenses?"),
        (("What urgent means",), "Can you tell me what urgent means?"),
        (("VPN access on trips",), "What about VPN access on trips?"),
        (("E88: sensor out of range",), "What about E88: sensor out of range?"),
        (("**Per `diem`** [rates](https://evil.example)",), "What about per 'diem' rates?"),
    ],
)
def test_a_heading_becomes_a_question_that_reads_well(headings: tuple[str, ...], said: str) -> None:
    assert proposed(page(*headings)) == (said,)


def test_a_name_keeps_its_capital_and_a_word_does_not() -> None:
    assert proposed(page("Almanac accounts", text=f"{SAYS} Ask for an Almanac account.")) == ("What about Almanac accounts?",)
    assert proposed(page("Sabbatical weeks")) == ("What about sabbatical weeks?",)


def test_in_another_language_the_heading_stands_alone() -> None:
    assert proposed(page("Hotels und Züge"), question="Wie fahre ich mit der Bahn?") == ("Travel policy: Hotels und Züge?",)


@pytest.mark.parametrize("heading", ["Overview", "Page 7", "FAQ", "How accurate is it?", "x" * 200, "<@U1>", "…"])
def test_what_says_nothing_alone_is_not_proposed(heading: str) -> None:
    assert not [said for said in proposed(page(heading)) if heading in said]


def test_neither_what_was_cited_nor_what_was_asked_is_proposed() -> None:
    assert proposed() == ()
    assert proposed(page("Travel by rail")) == ()
    assert proposed(page("Per diems abroad"), asked=("What about per diems abroad?",)) == ()
    assert proposed(page("Short one", text="Three words only.")) == ()


def test_two_of_the_page_that_was_cited_come_before_one_of_a_page_nearby_and_nothing_of_one_that_is_not() -> None:
    found = proposed(
        page("First matter"),
        page("Second matter"),
        page("Third matter"),
        page(title="Expense claims", id="wiki:expenses", score=0.8),
        page(title="Garden plants", id="wiki:garden", score=0.2),
    )
    assert found == ("What about first matter?", "What about second matter?", "What does “Expense claims” say?")
    assert len(found) == MOST


def test_where_nothing_was_found_near_pages_are_proposed_by_their_titles() -> None:
    hits = (page("Hotels"), page(title="Garden plants", id="wiki:garden"))
    assert follow_ups("Which hotels allow dogs?", AnswerMode.NOT_FOUND, hits, ()) == ("What does “Travel policy” say?",)
    assert follow_ups("Which cars are red?", AnswerMode.NOT_FOUND, hits, ()) == ()
    assert follow_ups("Which cars are red?", AnswerMode.NOT_FOUND, (), ()) == ()


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder()


@pytest.fixture
async def handbook(embedder: LocalEmbedder) -> AsyncIterator[Index]:
    """The pages of the demo that are Markdown."""
    client = AsyncQdrantClient(":memory:")
    index = Index(client, embedder)
    await index.open()
    pairs = []
    for path in sorted(HANDBOOK.glob("**/*.md")):
        text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(), flags=re.DOTALL)
        title = text.partition("\n")[0].removeprefix("# ")
        made = Document(
            id=f"handbook:{path.name}",
            source="handbook",
            title=title,
            url="",
            body=text,
            media_type="text/markdown",
            updated_at=UPDATED,
            access=PUBLIC,
        )
        pairs.append((made, chunk(made, read_markdown(text), embedder.count)))
    await index.upsert(pairs)
    yield index
    await client.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
async def test_on_the_demos_pages_all_that_is_proposed_is_answered_when_it_is_asked(handbook: Index) -> None:
    questions = [
        "How many days of leave do I have?",
        "What happens when I am ill?",
        "What do I get for meals when travelling?",
        "May I work from abroad?",
        "How do we release?",
        "Who is on call?",
    ]
    proposals = 0
    for question in questions:
        hits = await hits_of(handbook, question, ANYONE, 24)
        quoted = await quote(question, collapse(hits))
        assert quoted
        found = follow_ups(question, AnswerMode.QUOTES, hits, quoted.citations)
        assert len(found) == len(set(found))
        for said in found:
            assert said != question
            assert said.endswith("?")
            assert len(said) <= LONGEST
            assert await quote(said, collapse(await hits_of(handbook, said, ANYONE, 24))), f"{question} -> {said}"
        proposals += len(found)
    assert proposals > 2 * len(questions)
