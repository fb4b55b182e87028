"""Answers without a model, and the passages that support those with one."""

from __future__ import annotations

import pytest

from core.answering.citations import citations
from core.answering.evidence import DOCUMENTS, collapse
from core.answering.quoting.quotes import quote
from core.errors import TransientError
from core.ports import PER_DOCUMENT
from tests.answering import LEAVE_HIT, TRAVEL_HIT, evidence, hit


async def test_the_best_sentence_is_quoted_word_for_word_with_its_footnote() -> None:
    quoted = await quote("Who approves a trip above 1,000 euros?", evidence(LEAVE_HIT, TRAVEL_HIT))
    assert quoted is not None
    assert quoted.text == "> A trip above 1,000 euros needs the approval of a manager. [1]"
    (citation,) = quoted.citations
    assert (citation.number, citation.document_id, citation.url) == (1, "wiki:travel", "https://wiki.acme.com/travel")
    assert citation.quote == "A trip above 1,000 euros needs the approval of a manager."


async def test_a_table_row_is_quoted_whole_under_its_head_line() -> None:
    quoted = await quote("How many public holidays does Germany have?", evidence(LEAVE_HIT))
    assert quoted is not None
    assert "| Country | Public holidays |\n| --- | --- |\n| Germany | 11 |\n\n[1]" in quoted.text
    assert "France" not in quoted.text
    assert quoted.citations[0].quote == "| Germany | 11 |"


async def test_a_code_block_is_quoted_whole() -> None:
    code = "```sh\n# restart the search service\nsystemctl restart search\n```"
    text = f"Operations.\n\n{code}\n\nNever on Fridays."
    quoted = await quote("How do I restart the search service?", evidence(hit(text=text)))
    assert quoted is not None
    assert quoted.text == f"{code}\n\n[1]"


async def test_a_code_block_comes_with_the_line_that_leads_to_it() -> None:
    code = "```sh\nsystemctl restart search\n```"
    text = f"Operations.\n\nRestart the indexer like this:\n\n{code}\n\nNever on Fridays."
    quoted = await quote("How do I restart the indexer?", evidence(hit(text=text)))
    assert quoted is not None
    assert quoted.text == f"> Restart the indexer like this: [1]\n\n{code}\n\n[1]"


async def test_a_list_item_that_says_nothing_by_itself_brings_its_lead_and_a_sentence_does_not() -> None:
    text = "For a visitor badge you need:\n- a passport\n- Visitors are met by their host at the front desk.\n\nBadges are blue."
    quoted = await quote("Do I need a passport?", evidence(hit(text=text, title="Visitors")))
    assert quoted is not None
    assert quoted.text == "> For a visitor badge you need:\n> - a passport [1]"
    other = await quote("Where are visitors met by their host?", evidence(hit(text=text, title="Visitors")))
    assert other is not None
    assert other.text == "> - Visitors are met by their host at the front desk. [1]"


async def test_a_sentence_that_speaks_of_the_one_before_brings_it() -> None:
    text = "Every laptop has a recovery key. It must be stored in the vault within a day. Screens are cleaned monthly."
    quoted = await quote("Where must a recovery key be stored?", evidence(hit(text=text, title="Laptops")))
    assert quoted is not None
    assert quoted.text == "> Every laptop has a recovery key. It must be stored in the vault within a day. [1]"


async def test_what_follows_a_question_answers_it() -> None:
    text = "How do I reset my password?\n\nOpen the portal and choose Forgot.\n\nWho may visit?\n\nAnybody with a host."
    quoted = await quote("How do I reset my password?", evidence(hit(text=text, title="Questions")))
    assert quoted is not None
    assert quoted.text == "> Open the portal and choose Forgot. [1]"


async def test_below_a_heading_that_is_the_question_stands_its_answer() -> None:
    asked = hit(text="Open the portal and choose Forgot.", title="Questions", headings=("How do I reset my password?",))
    other = hit("wiki:b", "Your password has twelve characters.", title="Rules", score=0.9)
    quoted = await quote("How do I reset my password?", evidence(asked, other))
    assert quoted is not None
    assert quoted.text.startswith("> Open the portal and choose Forgot. [1]")


async def test_what_is_left_out_between_two_sentences_is_marked() -> None:
    text = "The travel desk books flights. Bring a coat. The travel desk books trains."
    quoted = await quote("What does the travel desk book?", evidence(hit(text=text, title="Travel")))
    assert quoted is not None
    assert quoted.text == "> The travel desk books flights. … The travel desk books trains. [1]"


async def test_a_question_for_a_number_is_answered_before_anything_else_is_said() -> None:
    general = hit("wiki:a", "What the company pays for meals on a trip comes with the salary.", title="Meals", score=1.0)
    exact = hit("wiki:b", "The company pays 40 euros for meals on a trip.", title="Meals", score=0.95)
    quoted = await quote("How much does the company pay for meals on a trip?", evidence(general, exact))
    assert quoted is not None
    assert quoted.text.startswith("> The company pays 40 euros for meals on a trip. [1]")
    assert [citation.document_id for citation in quoted.citations] == ["wiki:b", "wiki:a"]


async def test_a_sentence_in_other_words_is_found_by_its_meaning() -> None:
    text = "Vacation requests are short. Staff receive thirty free days. Vacation photos are welcome."
    found = evidence(hit(text=text, title="Staff"))

    async def embed(said: str) -> list[float]:
        return [1.0, 0.0] if said.startswith("What") or "free days" in said else [0.0, 1.0]

    question = "What is it about vacation?"
    by_words, by_meaning = await quote(question, found), await quote(question, found, embed)
    assert by_words is not None
    assert by_meaning is not None
    assert "free days" not in by_words.text
    assert "Staff receive thirty free days." in by_meaning.text


@pytest.mark.parametrize("error", [TransientError("the embeddings server does not answer"), TimeoutError()])
async def test_without_an_embedding_in_time_the_words_decide(error: Exception) -> None:
    async def embed(said: str) -> list[float]:
        raise error

    question, found = "Who approves a trip above 1,000 euros?", evidence(LEAVE_HIT, TRAVEL_HIT)
    assert await quote(question, found, embed) == await quote(question, found)


async def test_a_question_of_function_words_alone_is_no_reason_to_fail() -> None:
    assert await quote("Who are you?", evidence(LEAVE_HIT), about=True) is None


async def test_quotes_stand_in_reading_order_and_each_document_has_one_footnote() -> None:
    first = hit("wiki:a", "Parental leave lasts twelve months. It is requested from the people team.", title="Parental leave")
    second = hit("wiki:a", "Parental leave is paid for six months.", title="Parental leave", position=1, score=0.95)
    other = hit("wiki:b", "The parental leave form is on the portal.", title="Forms", score=0.9)
    quoted = await quote("Is parental leave paid, and where is the form?", collapse([second, other, first]))
    assert quoted is not None
    assert quoted.text.index("twelve months") < quoted.text.index("six months") < quoted.text.index("the portal")
    assert [(citation.number, citation.document_id) for citation in quoted.citations] == [(1, "wiki:a"), (2, "wiki:b")]
    assert "[1]" in quoted.text
    assert "[2]" in quoted.text
    assert "[3]" not in quoted.text


async def test_the_same_sentence_of_two_documents_is_quoted_once() -> None:
    text = "Badges are replaced at the front desk."
    quoted = await quote("Where are badges replaced?", evidence(hit("wiki:a", text), hit("wiki:b", text, score=0.99)))
    assert quoted is not None
    assert quoted.text.count("front desk") == 1


async def test_a_documents_own_markers_and_images_do_not_pass_for_ours() -> None:
    text = "Badges [7] are replaced at the front desk ![map](https://evil.example/x.png) by `desk[0]`."
    quoted = await quote("Where are badges replaced?", evidence(hit(text=text)))
    assert quoted is not None
    assert quoted.text == "> Badges (7) are replaced at the front desk by `desk[0]`. [1]"


async def test_hits_that_are_about_something_else_are_not_quoted() -> None:
    assert await quote("What is the shoe size of our chief executive?", evidence(LEAVE_HIT, TRAVEL_HIT)) is None
    assert await quote("Who are you?", evidence(LEAVE_HIT)) is None
    assert await quote("How many days of leave?", ()) is None


def test_hits_collapse_to_few_documents_with_few_chunks_and_lose_what_is_far_below_the_best() -> None:
    hits = [hit(f"wiki:{n}", f"Text {n}.", position=p, score=1 - n / 100 - p / 1000) for n in range(10) for p in range(5)]
    found = collapse([*hits, hit("wiki:far", "text", score=0.5)])
    assert [item.number for item in found] == list(range(1, DOCUMENTS + 1))
    assert {len(item.hits) for item in found} == {PER_DOCUMENT}
    assert [item.hits[0].chunk.position for item in found] == [0] * DOCUMENTS
    assert "wiki:far" not in {item.document_id for item in found}


def test_a_footnote_quotes_the_passage_that_supports_its_statement() -> None:
    (citation,) = citations(
        {2: ["A manager must approve trips that cost more than 1,000 euros"]}, evidence(LEAVE_HIT, TRAVEL_HIT), "?"
    )
    assert citation.number == 1
    assert citation.title == "Travel"
    assert citation.quote == "A trip above 1,000 euros needs the approval of a manager."


def test_an_answer_in_another_language_is_supported_by_the_passage_nearest_to_the_question() -> None:
    (citation,) = citations({1: ["Reisen genehmigt die Vorgesetzte"]}, evidence(TRAVEL_HIT), "manager approval for a trip")
    assert citation.quote == "A trip above 1,000 euros needs the approval of a manager."


def test_a_long_quote_is_cut_at_a_word_and_a_bullet_is_left_out() -> None:
    (citation,) = citations({1: ["word"]}, evidence(hit(text="- " + "word " * 300)), "word")
    assert citation.quote.startswith("word word")
    assert citation.quote.endswith("word …")
    assert len(citation.quote) < 610
