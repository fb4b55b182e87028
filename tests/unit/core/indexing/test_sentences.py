from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.indexing.sentences import sentences


def test_sentences_end_at_full_stops_questions_and_cries():
    assert sentences("Who pays? We do. Always! Even when it rains…  Yes.") == [
        "Who pays?",
        "We do.",
        "Always!",
        "Even when it rains…",
        "Yes.",
    ]


def test_abbreviations_initials_and_numbers_do_not_end_a_sentence():
    text = "Ask Dr. Meier, e.g. on Mondays. J. Smith has no. 4 and pays 3.50 for it. See v2.1.3 of app.acme.com now."
    assert sentences(text) == [
        "Ask Dr. Meier, e.g. on Mondays.",
        "J. Smith has no. 4 and pays 3.50 for it.",
        "See v2.1.3 of app.acme.com now.",
    ]


def test_closing_quotes_and_brackets_belong_to_their_sentence():
    assert sentences('She said "stop." (He did.) Then it rained.') == ['She said "stop."', "(He did.)", "Then it rained."]


def test_chinese_and_japanese_need_no_space():
    assert sentences("休暇は年に三十日です。申請は上司に。「はい。」") == [
        "休暇は年に三十日です。",
        "申請は上司に。",
        "「はい。」",
    ]


@given(st.text(alphabet=st.sampled_from("ab.!? \n\"'。A1")))
def test_nothing_but_white_space_gets_lost(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
