from __future__ import annotations

import pytest

from core.indexing.rarity import AGE, CommonWords, idf


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_common_word_is_looked_up_once_and_again_after_a_while():
    time = Time()
    words = CommonWords(clock=time)
    assert words.others("everyone", [1, 2]) == [1, 2]
    words.learn("everyone", [1])
    assert words.others("everyone", [1, 2]) == [2]
    time.now = AGE + 1
    assert words.others("everyone", [1, 2]) == [1, 2]


def test_a_word_is_common_only_among_what_the_same_readers_may_read():
    words = CommonWords()
    words.learn("everyone", [1])
    assert words.others("ana", [1]) == [1]


def test_however_many_words_and_readers_there_are_few_are_remembered():
    words = CommonWords()
    for reader in range(100):
        words.learn(reader, range(10_000))
    assert words.others(0, [9_999]) == [9_999]
    assert words.others(99, [0]) == [0]
    assert words.others(99, [9_999]) == []


@pytest.mark.parametrize("chunks", [0, 1, 100, 100_000])
def test_a_rare_word_weighs_more_and_none_weighs_less_than_nothing(chunks: int):
    weights = [idf(having, chunks) for having in (0, 1, 8, 200)]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0
