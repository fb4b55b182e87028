"""Answers without a model, and the passages that support those with one."""

from __future__ import annotations

from core.answering.citations import citations
from core.answering.evidence import DOCUMENTS, collapse
from core.answering.quotes import quote
from core.indexing.ranking import PER_DOCUMENT
from tests.answering import LEAVE_HIT, TRAVEL_HIT, evidence, hit


def test_the_best_sentence_is_quoted_word_for_word_with_its_footnote() -> None:
    quoted = quote("Who approves a trip above 1,000 euros?", evidence(LEAVE_HIT, TRAVEL_HIT))
    assert quoted is not None
    assert quoted.text == "> A trip above 1,000 euros needs the approval of a manager. [1]"
    (citation,) = quoted.citations
    assert (citation.number, citation.document_id, citation.url) == (1, "wiki:travel", "https://wiki.acme.com/travel")
    assert citation.quote == "A trip above 1,000 euros needs the approval of a manager."


def test_a_table_row_is_quoted_whole_under_its_head_line() -> None:
    quoted = quote("How many public holidays does Germany have?", evidence(LEAVE_HIT))
    assert quoted is not None
    assert "| Country | Public holidays |\n| --- | --- |\n| Germany | 11 |\n\n[1]" in quoted.text
    assert "France" not in quoted.text
    assert quoted.citations[0].quote == "| Germany | 11 |"


def test_a_code_block_is_quoted_whole() -> None:
    code = "```sh\n# restart the search service\nsystemctl restart search\n```"
    quoted = quote("How do I restart the search service?", evidence(hit(text=f"Operations.\n\n{code}\n\nNever on Fridays.")))
    assert quoted is not None
    assert quoted.text == f"{code}\n\n[1]"


def test_quotes_stand_in_reading_order_and_each_document_has_one_footnote() -> None:
    first = hit("wiki:a", "Parental leave lasts twelve months. It is requested from the people team.", title="Parental leave")
    second = hit("wiki:a", "Parental leave is paid for six months.", title="Parental leave", position=1, score=0.95)
    other = hit("wiki:b", "The parental leave form is on the portal.", title="Forms", score=0.9)
    quoted = quote("How long is paid parental leave, and where is the form?", collapse([second, other, first]))
    assert quoted is not None
    assert quoted.text.index("twelve months") < quoted.text.index("six months") < quoted.text.index("the portal")
    assert [(citation.number, citation.document_id) for citation in quoted.citations] == [(1, "wiki:a"), (2, "wiki:b")]
    assert "[1]" in quoted.text
    assert "[2]" in quoted.text
    assert "[3]" not in quoted.text


def test_the_same_sentence_of_two_documents_is_quoted_once() -> None:
    text = "Badges are replaced at the front desk."
    quoted = quote("Where are badges replaced?", evidence(hit("wiki:a", text), hit("wiki:b", text, score=0.99)))
    assert quoted is not None
    assert quoted.text.count("front desk") == 1


def test_a_documents_own_markers_and_images_do_not_pass_for_ours() -> None:
    text = "Badges [7] are replaced at the front desk ![map](https://evil.example/x.png) by `desk[0]`."
    quoted = quote("Where are badges replaced?", evidence(hit(text=text)))
    assert quoted is not None
    assert quoted.text == "> Badges (7) are replaced at the front desk by `desk[0]`. [1]"


def test_hits_that_are_about_something_else_are_not_quoted() -> None:
    assert quote("What is the shoe size of our chief executive?", evidence(LEAVE_HIT, TRAVEL_HIT)) is None
    assert quote("Who are you?", evidence(LEAVE_HIT)) is None
    assert quote("How many days of leave?", ()) is None


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
