"""What words are called here, and who may be told: acronyms, typos, folders and people from titles and headings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from core.answering.understanding.glossary import explained, initials
from core.answering.understanding.spelling import Spellings, doubtful
from core.answering.understanding.understanding import ALL, Steps, Understanding, Understood
from core.answering.understanding.vocabulary import AGE, Vocabulary
from core.errors import TransientError
from core.models import ANYONE, PUBLIC, Access, Audience, Label, Principal, Query, Scope

BOARD = Access(gates=(frozenset({"group:board"}),))
MEMBER = Audience.of(("user:eve@acme.com", "group:board"))
AT = datetime(2026, 11, 23, 21, tzinfo=UTC)


def label(title: str, *headings: str, access: Access = PUBLIC, path: tuple[str, ...] = (), owner: Principal = "") -> Label:
    return Label(
        document_id=f"wiki:{title}",
        source="wiki",
        access=access.class_id,
        title=title,
        headings=headings,
        path=path,
        owners=(owner,) if owner else (),
    )


@dataclass
class World:
    """Pages of which only the titles are known, and the words of their texts."""

    labels: list[Label] = field(
        default_factory=lambda: [
            label("Paid Time Off (PTO)", path=("HR",), owner="user:ana.berg@acme.com"),
            label("Sensor calibration", "SLA: service level agreement"),
            label("Change Advisory Board", "Emergency changes"),
            label(
                "Project Nightjar Express (PNE)",
                "Acquisition of Globex",
                access=BOARD,
                path=("Mergers",),
                owner="user:eve@acme.com",
            ),
        ]
    )
    texts: str = "calibration sensor board paid time off change emergency leave"
    hidden: frozenset[str] = frozenset()
    """Documents that became private since they were read."""
    away: bool = False
    read: int = 0
    looked: int = 0
    now: float = 0.0

    async def all(self) -> AsyncIterator[Sequence[Label]]:
        self.read += 1
        if self.away:
            raise TransientError("search is unavailable")
        yield self.labels

    async def classes(self, audience: Audience) -> Collection[str]:
        return [access.class_id for access in (PUBLIC, BOARD) if audience.may_read(access)]

    async def standing(self, words: Sequence[str], _audience: Audience) -> Collection[str]:
        return [word for word in words if word.casefold().removesuffix("s") in self.texts.split()]

    async def accesses(self, ids: Collection[str]) -> dict[str, Access]:
        self.looked += 1
        known = {one.document_id: PUBLIC if one.access == PUBLIC.class_id else BOARD for one in self.labels}
        return {id: BOARD if id in self.hidden else known[id] for id in ids if id in known}

    def understanding(self, steps: Steps = ALL) -> Understanding:
        vocabulary = Vocabulary(self.all, self.classes, timer=lambda: self.now)
        return Understanding(accesses=self.accesses, vocabulary=vocabulary, standing=self.standing, steps=steps)

    async def understood(self, question: str, audience: Audience = ANYONE, steps: Steps = ALL) -> Understood:
        return await self.understanding(steps).understand(question, Query(text=question), audience, AT)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("Paid Time Off (PTO)", [("PTO", "Paid Time Off")]),
        ("SLA: service level agreement", [("SLA", "service level agreement")]),
        ("SLA (Service Level Agreement) for customers", [("SLA", "Service Level Agreement")]),
        ("The Request for Comments (RFC) process", [("RFC", "Request for Comments")]),
        ("PTO - Paid time off", [("PTO", "Paid time off")]),
        ("Notes (OLD)", []),
        ("Q3 OKR: how we plan", []),
        ("Release (see PTO)", []),
    ],
)
def test_an_acronym_is_explained_by_words_with_its_letters(text: str, pairs: list[tuple[str, str]]) -> None:
    assert list(explained(text)) == pairs


def test_initials_are_those_of_a_whole_title_of_three_words_or_more() -> None:
    assert [initials(text) for text in ("Change Advisory Board", "Request for Comments Board", "Sick leave")] == [
        "CAB",
        "RCB",
        "",
    ]


def test_a_word_is_corrected_by_one_slip_or_two_in_a_long_one() -> None:
    known = Spellings(["calibration", "leave", "handbook", "board"])
    near = {
        word: known.near(word, lambda _: True) for word in ("calibraton", "calbratoin", "laeve", "lv", "bord", "birds", "leave")
    }
    assert near == {
        "calibraton": ["calibration"],
        "calbratoin": ["calibration"],
        "laeve": ["leave"],
        "lv": [],
        "bord": ["board"],
        "birds": [],
        "leave": [],
    }


def test_identifiers_names_in_capitals_and_words_with_digits_are_meant_as_they_are_written() -> None:
    asked = "What is the calibraton of INC-0412, getUserName, PTO, v2beta or foo.bar at ana@acme.com and `laeve`?"
    assert doubtful(asked) == ["calibraton"]


@pytest.mark.parametrize(
    ("question", "also"),
    [
        ("How much PTO do I get?", "Paid Time Off"),
        ("how much pto do i get", "Paid Time Off"),
        ("How much paid time off do I get?", "PTO"),
        ("What SLA do customers have?", "service level agreement"),
        ("When does the CAB meet?", "Change Advisory Board"),
    ],
)
async def test_other_words_of_titles_and_headings_are_searched_for_and_said(question: str, also: str) -> None:
    found = await World().understood(question)
    assert (found.query.text, found.query.also, found.notice) == (question, (also,), f"Searched for “{also}”, too.")


async def test_a_misspelled_word_that_stands_nowhere_is_replaced_and_that_is_said() -> None:
    found = await World().understood("Where is the calibraton log, the calibraton-2 or the emergncy plan of the CAB?")
    assert found.query.text == "Where is the calibration log, the calibraton-2 or the emergency plan of the CAB?"
    assert found.query.also == ("Change Advisory Board",)
    assert found.notice == (
        "Searched for “calibration” instead of “calibraton” and “emergency” instead of “emergncy”. "
        "Searched for “Change Advisory Board”, too."
    )


@pytest.mark.parametrize("question", ["Where is the calibration log?", "Who changes the sensors?", "What is a sensr-2?"])
async def test_a_question_in_known_words_stays_as_it_is(question: str) -> None:
    found = await World().understood(question)
    assert (found.query.also, found.notice) == ((), "")


async def test_a_word_that_stands_in_some_page_is_no_typo_however_near_it_is_to_a_title() -> None:
    world = World()
    world.texts += " bord"
    assert (await world.understood("Where is the bord?")).query.also == ()


@pytest.mark.parametrize(
    "question", ["What is PNE?", "What is nightjr?", "Is globx bought?", "pages by eve@acme.com about leave"]
)
async def test_nothing_is_told_of_what_is_hidden(question: str) -> None:
    world = World()
    blind = World(labels=[one for one in world.labels if one.access == PUBLIC.class_id])
    assert await world.understood(question) == await blind.understood(question) == Understood(query=Query(text=question))
    assert await world.understood(question, MEMBER) != Understood(query=Query(text=question))


@pytest.mark.parametrize(
    "question", ["How much PTO do I get?", "pages in the HR folder about leave", "pages by Ana Berg about leave"]
)
async def test_what_became_private_since_it_was_read_is_used_no_more(question: str) -> None:
    world = World()
    assert await world.understood(question) != Understood(query=Query(text=question))
    world.hidden = frozenset({"wiki:Paid Time Off (PTO)"})
    assert await world.understood(question) == Understood(query=Query(text=question))


async def test_who_may_read_its_pages_is_asked_once_however_many_names_a_question_has() -> None:
    world = World()
    found = await world.understood("Is PTO, the SLA, the CAB or the calibraton meant?")
    assert found.query.also == ("Paid Time Off", "service level agreement", "Change Advisory Board")
    assert "calibration" in found.query.text
    assert world.looked == 1


async def test_of_a_pasted_log_only_the_first_words_are_looked_up() -> None:
    log = " ".join(f"w{'abcdefghij'[number // 10]}{'abcdefghij'[number % 10]}rd" for number in range(100))
    assert not (await World().understood(f"{log} calibraton")).slips
    assert (await World().understood(f"calibraton {log}")).slips == {"calibraton": "calibration"}


async def test_a_limit_is_searched_within_and_can_be_dropped() -> None:
    found = await World().understood("pages in the HR folder about leave")
    assert found.query == Query(text="pages about leave", scope=Scope(path=("HR",)))
    assert found.limits == "in the folder HR"
    assert found.without == Query(text="pages in the HR folder about leave")


async def test_a_limit_does_not_widen_what_a_channel_answers_from() -> None:
    asked = "According to the wiki, how much leave is there?"
    query = Query(text=asked, sources=("handbook",))
    assert (await World().understanding().understand(asked, query, ANYONE, AT)).query.sources == ("handbook",)
    assert (await World().understood(asked)).query.sources == ("wiki",)


@pytest.mark.parametrize(
    ("step", "question"),
    [
        ("glossary", "How much PTO do I get?"),
        ("spelling", "Where is the calibraton log?"),
        ("filters", "pages in the HR folder about leave"),
    ],
)
async def test_each_step_can_be_left_out(step: str, question: str) -> None:
    steps = replace(ALL, **{step: False})
    assert await World().understood(question, steps=steps) == Understood(query=Query(text=question))


async def test_a_comparison_has_no_parts_when_they_are_left_out() -> None:
    world = World()
    assert await world.understanding().parts("Heron 3 vs Heron 4", None, 1.0) == ("Heron 3", "Heron 4")
    assert await world.understanding(Steps(parts=False)).parts("Heron 3 vs Heron 4", None, 1.0) == ()


async def test_while_the_index_does_not_answer_a_question_is_taken_as_it_is() -> None:
    assert await World(away=True).understood("How much PTO do I get?") == Understood(query=Query(text="How much PTO do I get?"))


async def test_titles_are_read_anew_in_the_background_when_they_are_old() -> None:
    world = World()
    understanding = world.understanding()
    ask = Query(text="What is the RTO?")
    assert (await understanding.understand(ask.text, ask, ANYONE, AT)).query.also == ()
    world.labels.append(label("Recovery Time Objective (RTO)"))
    await understanding.understand(ask.text, ask, ANYONE, AT)
    assert world.read == 1
    world.now = AGE + 1
    await understanding.understand(ask.text, ask, ANYONE, AT)
    await asyncio.sleep(0.01)
    assert (await understanding.understand(ask.text, ask, ANYONE, AT)).query.also == ("Recovery Time Objective",)
    assert world.read == 2
