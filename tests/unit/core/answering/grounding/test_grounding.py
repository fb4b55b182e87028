"""What is shown of an answer: what a source says, with its footnote, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.answering.citations import citations
from core.answering.footnotes import FootnoteFilter
from core.answering.grounding.conflicts import conflicts, notice
from core.answering.grounding.grounding import Grounding, Judge
from tests.answering import LEAVE_HIT, TRAVEL_HIT, evidence, hit

SOURCES = evidence(LEAVE_HIT, TRAVEL_HIT)
QUESTION = "How many days of paid leave do employees get?"


async def shown(text: str, size: int = 10_000, judge: Judge | None = None) -> tuple[str, Grounding]:
    footnotes = FootnoteFilter(SOURCES)
    grounding = Grounding(SOURCES, QUESTION, footnotes.cited, judge=judge)
    seen = [await grounding.feed(footnotes.feed(text[at : at + size])) for at in range(0, len(text), size)]
    seen.append(await grounding.feed(footnotes.close()) + await grounding.close())
    return "".join(seen), grounding


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("Employees get 30 days of leave [1]. They get 40 days of leave [1].", "Employees get 30 days of leave [1]."),
        ("Employees get 30 days of leave. Lunch is free of charge.", "Employees get 30 days of leave [1]."),
        ("Employees get 30 days of leave [2].", "Employees get 30 days of leave [1]."),
        ("Employees get 30 days of leave [1][2].", "Employees get 30 days of leave [1]."),
        ("Employees do not get 30 days of leave [1].", ""),
        ("Surely forty days [1].", ""),
        ("- Germany has 11 public holidays [1]\n- France has 11 [1]\n", "- Germany has 11 public holidays [1]"),
        ("Here is how it works:\n\nEmployees get 9 days [1].", ""),
        ("Sure! Employees get 30 days [1]. Hope this helps!", "Sure! Employees get 30 days [1]. Hope this helps!"),
        (
            "| Country | Public holidays |\n|---|---|\n| Germany | 11 |\n| France | 12 |",
            "| Country | Public holidays |\n|---|---|\n| Germany | 11 |\n\n[1]",
        ),
        ("Do this [1]:\n```\nrm -rf / --now\n```", ""),
        ("Employees get 30 days [1]. Did you know that dogs are welcome everywhere?", "Employees get 30 days [1]."),
        ("Employees get 30 days [1]. Shall I tell you more?", "Employees get 30 days [1]. Shall I tell you more?"),
        ("Dogs are welcome in every office:\n- Employees get 30 days [1]", "- Employees get 30 days [1]"),
        ("These are the key points:\n- Employees get 30 days [1]", "These are the key points:\n- Employees get 30 days [1]"),
        ("Employees get 30 days [1]. I could not find the price, but lunch is free.", "Employees get 30 days [1]."),
        (
            "The documents do not say how long it takes, but requests go through the people portal [1].",
            "The documents do not say how long it takes, but requests go through the people portal [1].",
        ),
        ("## Not paid\n- Employees get 30 days of leave [1]", ""),
    ],
)
async def test_only_what_a_source_says_is_shown_with_its_footnote(said: str, seen: str) -> None:
    assert (await shown(said))[0] == seen
    for size in (1, 3, 7):
        assert (await shown(said, size))[0] == seen


async def test_a_sentence_is_shown_as_soon_as_the_next_one_begins() -> None:
    footnotes = FootnoteFilter(SOURCES)
    grounding = Grounding(SOURCES, QUESTION, footnotes.cited)
    pieces = ["Employees get 30 days", " of leave [1].", " Requests ", "go through the people portal [1]."]
    seen = [await grounding.feed(footnotes.feed(piece)) for piece in pieces]
    assert seen == ["", "", "Employees get 30 days of leave [1].", ""]


async def test_the_quote_holds_the_passages_of_all_that_is_said() -> None:
    _, grounding = await shown("Requests go through the people portal [1]. Germany has 11 public holidays [1].")
    (citation,) = citations(grounding.cited, SOURCES, QUESTION, grounding.quoted)
    assert citation.quote == "Requests go through the people portal at least two weeks ahead. … | Germany | 11 |"


async def test_what_is_left_out_is_counted() -> None:
    _, grounding = await shown("Employees get 40 days [1]. Employees get 30 days [1]. Dogs are welcome everywhere [2].")
    assert grounding.dropped == 2


@pytest.mark.parametrize("verdict", [True, False, None])
async def test_a_judge_is_asked_once_for_all_that_words_leave_open(verdict: bool | None) -> None:
    asked: list[Sequence[tuple[str, str]]] = []

    async def judge(pairs: Sequence[tuple[str, str]]) -> Sequence[bool] | None:
        asked.append(pairs)
        return None if verdict is None else [verdict] * len(pairs)

    said = "Staff may take vacations [1]. Journeys are reserved centrally [2]. Employees get 30 days [1]."
    text, _ = await shown(said, judge=judge)
    assert len(asked) == 1
    assert [sentence for sentence, _ in asked[0]] == ["Staff may take vacations.", "Journeys are reserved centrally."]
    assert text == (said if verdict else "Employees get 30 days [1].")


async def test_an_answer_in_another_language_is_held_to_its_numbers_alone() -> None:
    assert (await shown("Die Mitarbeiter bekommen 30 Tage Urlaub im Jahr [1]."))[0]
    assert not (await shown("Die Mitarbeiter bekommen 28 Tage Urlaub im Jahr [1]."))[0]


async def test_sources_that_say_another_value_of_the_same_thing_are_named() -> None:
    old = hit("wiki:old", "Employees get 25 days of paid leave a year.", title="Leave 2019", score=0.8)
    sources = evidence(LEAVE_HIT, old)
    footnotes = FootnoteFilter(sources)
    grounding = Grounding(sources, QUESTION, footnotes.cited)
    await grounding.feed(footnotes.feed("Employees get 30 days of paid leave a year [1].") + footnotes.close())
    await grounding.close()
    said = notice(conflicts(grounding.quoted, grounding.grounds, QUESTION), sources)
    assert said.startswith("The documents disagree: “Leave” (01 March 2026) says “Employees get 30 days")
    assert "“Leave 2019” (01 March 2026) says “Employees get 25 days" in said


@pytest.mark.parametrize(
    ("titles", "disagree"),
    [
        (("Probation in Germany", "Probation in Spain"), False),
        (("Probation (Germany)", "Probation (Spain)"), False),
        (("Probation", "Probation in Spain"), False),
        (("Probation policy", "Probation FAQ (archived)"), True),
        (("Probation", "Employees"), True),
    ],
)
async def test_pages_about_different_things_do_not_disagree(titles: tuple[str, str], disagree: bool) -> None:
    said = "The probation period lasts {} months for all employees."
    one, two = (hit(f"wiki:{title}", said.format(months), title=title) for title, months in zip(titles, (6, 3), strict=True))
    sources = evidence(one, two)
    footnotes = FootnoteFilter(sources)
    grounding = Grounding(sources, "How long is the probation period?", footnotes.cited)
    await grounding.feed(footnotes.feed(f"{said.format(6)[:-1]} [1].") + footnotes.close())
    await grounding.close()
    assert bool(conflicts(grounding.quoted, grounding.grounds, QUESTION)) is disagree


RULES = evidence(
    hit(
        "wiki:expenses",
        "Submit it in Expensify. Send it to Finance. Contractors may not expense travel. Receipts are due within 30 days. "
        "Contractors need approval. Taxis are paid.",
        title="Expenses",
    )
)
FALSE = "Contractors may expense travel [1]."
TRUE = "Receipts are due within 30 days [1]."


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("**Submit it in Expensify.** [1]", "**Submit it in Expensify.** [1]"),
        ("- Send it to **Finance** [1]", "- Send it to **Finance** [1]"),
        (f"**Contractors never need approval.** [1]\n\n{TRUE}", TRUE),
        (f"**Contractors may expense travel** [1]\n\n{TRUE}", TRUE),
        (f"You never need approval for travel:\n\n{TRUE}", TRUE),
        (f"You never pay for:\n- Taxis are paid [1]\n\n{TRUE}", TRUE),
        (f"If it does not work:\n- {TRUE}", f"If it does not work:\n- {TRUE}"),
        (f"**Receipts**\n\n{TRUE}", f"**Receipts**\n\n{TRUE}"),
        (f"Yes.\n\n{FALSE}\n\n{TRUE}", TRUE),
        (f"For contractors:\n- {FALSE}\n\n{TRUE}", TRUE),
        (f"For contractors:\n- {FALSE}\n- {TRUE}", f"For contractors:\n- {TRUE}"),
        (f"## Contractors\n\n{FALSE}\n\n## Receipts\n\n{TRUE}", f"## Receipts\n\n{TRUE}"),
        (f"**Contractors**\n\n{FALSE}\n\n**Receipts**\n\n{TRUE}", f"**Receipts**\n\n{TRUE}"),
        (f"# Expenses\n\n## Contractors\n\n{FALSE}\n\n## Receipts\n\n{TRUE}", f"# Expenses\n\n## Receipts\n\n{TRUE}"),
        (f"| Contractors | Travel |\n|---|---|\n| Lena | 40 |\n\n{TRUE}", TRUE),
    ],
)
async def test_what_leads_to_a_claim_goes_with_it_and_is_no_way_around_the_check(said: str, seen: str) -> None:
    footnotes = FootnoteFilter(RULES)
    grounding = Grounding(RULES, "May contractors expense travel?", footnotes.cited)
    assert await grounding.feed(footnotes.feed(said) + footnotes.close()) + await grounding.close() == seen
