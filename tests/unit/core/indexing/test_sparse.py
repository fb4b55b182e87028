from __future__ import annotations

from core.indexing import sparse
from core.indexing.sparse import query_vector


def document_vector(text: str, title: str = "") -> sparse.SparseVector:
    return sparse.document_vector(title, text)


def overlap(query: str, text: str) -> int:
    """Words that both have."""
    return len({*sparse.words_of(query)} & {*document_vector(text)[0]})


def test_words_match_across_their_forms_and_stop_words_do_not_count():
    assert overlap("running the printers", "A printer runs.") == 2
    assert query_vector("of the and is") == ([], [])


def test_repeated_words_weigh_more_but_never_without_limit():
    once, often, very_often = (document_vector("printer " * times + "coffee kitchen floor")[1] for times in (1, 3, 300))
    assert max(once) < max(often) < max(very_often) < 2.2


def test_long_texts_weigh_each_word_less():
    assert max(document_vector("printer")[1]) > max(document_vector("printer " + " ".join(f"word{n}" for n in range(300)))[1])


def test_names_in_code_are_found_whole_and_by_their_words():
    assert overlap("getUserName", "call getUserName() first") == 4
    assert overlap("user name", "call getUserName() first") == 2
    assert overlap("http server", "class HTTPServer") == 2
    assert overlap("max retries", "MAX_RETRIES=3") == 2
    assert overlap("ordinary words", "ordinary words") == 2


def test_accents_do_not_matter():
    assert overlap("cafe naive", "Café, naïve") == 2


def test_scripts_without_spaces_match_by_pairs_of_characters():
    assert overlap("東京", "私は東京都に住んでいます。") == 1
    assert overlap("休暇の申請", "申請すれば休暇を取れます") >= 2
    assert overlap("大阪", "私は東京都に住んでいます。") == 0


def test_nothing_gives_nothing():
    assert document_vector("") == ([], [])
    assert document_vector("?!…") == ([], [])


def test_words_in_their_order_and_words_of_the_title_count_more_each_for_itself():
    def gained(query: str, text: str, heading: str = "", **weights: float) -> float:
        asked = dict(zip(*query_vector(query, **weights), strict=True))
        return sum(asked.get(term, 0.0) * weight for term, weight in zip(*document_vector(text, heading), strict=True))

    one, other = "parental leave in spring", "leave for parental spring"
    assert gained("parental leave", one) > gained("parental leave", other)
    assert gained("parental leave", one, pairs=0) == gained("parental leave", other, pairs=0)
    assert gained("leave", one, "Leave") > gained("leave", one, "Travel")
    assert gained("leave", one, "Leave", title=0) == gained("leave", one, "Travel", title=0)


def test_an_identifier_is_one_word_too_however_it_is_cut():
    assert overlap("INC-0412", "See INC-0412.") == 3
    assert overlap("inc0412", "See INC-0412.") == 1
    assert overlap("stream.timebox_finalized", "metric stream.timebox_finalized") == 4
    assert overlap("state-of-the-art", "stateoftheart") == 0


def test_what_somebody_numbered_is_told_from_words_and_from_plain_numbers():
    def identifiers(text: str) -> int:
        return len(sparse.numbered(text)[0])

    assert identifiers("what was INC-0412, and E1042 on port 8080 in 2026?") == 2
    assert identifiers("state-of-the-art logging of 30 days") == 0
    assert sparse.numbered("INC-0412")[1] < set(sparse.words_of("INC-0412"))
