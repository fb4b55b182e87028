"""The queue of gaps, over a real Redis; words decide what is near."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from core.errors import TransientError
from core.evaluation.feedback import Answered, Cited
from core.evaluation.gaps import GAP_TTL, MOST_ENTRIES, Gaps, Miss, unanswered
from core.models import AnswerMode, Reason
from tests.fakes import NOON
from tests.memory_index import WordEmbedder
from tests.one_redis import redis_away

TRAIN, ROOM = "train ticket expenses", "book a meeting room"


class Counted(WordEmbedder):
    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def embed_documents(self, texts: list[str]) -> list[list[float]]:  # type: ignore[override]
        self.embedded += texts
        return await super().embed_documents(texts)


def asked(question: str = TRAIN, id: str = "a1", user: str = "slack:ANA", *, private: bool = False, **fields: Any) -> Answered:
    values: dict[str, Any] = {
        "at": NOON,
        "mode": AnswerMode.GENERATED,
        "model": "m",
        "prompt_version": "1",
        "hits": (),
        "cited": (Cited(document_id="folder:travel.md", updated_at=NOON),),
    }
    return Answered(id=id, question=question, asked_by=user, platform="slack", private=private, **(values | fields))


def miss(answered: Answered, user: str = "", reason: Reason | None = Reason.MISSING, *, minutes: float = 0) -> Miss:
    return Miss(answered=answered, user=user or answered.asked_by, at=NOON + timedelta(minutes=minutes), reason=reason)


@pytest.fixture
def gaps(redis: Redis) -> Gaps:
    return a_queue(redis)


def a_queue(redis: Redis, embedder: WordEmbedder | None = None, **options: Any) -> Gaps:
    return Gaps(redis, embedder or WordEmbedder(), near=0.8, **options)


async def test_questions_that_mean_the_same_are_one_gap_with_its_askers_and_its_reasons(gaps: Gaps) -> None:
    await gaps.note(miss(asked(id="a1", user="slack:ANA"), reason=None))
    await gaps.note(miss(asked("train ticket expenses please", id="a2", user="slack:BOB"), minutes=1))
    await gaps.note(miss(asked("expenses ticket train", id="a3", user="slack:BOB"), reason=Reason.WRONG, minutes=2))
    await gaps.note(miss(asked(ROOM, id="a4", user="slack:BOB")))
    train, room = await gaps.gaps()
    assert (train.asked, train.people) == (3, 2)
    assert train.reasons == {"wrong": 1, "missing": 1, "unanswered": 1}
    assert train.samples == ("expenses ticket train", "train ticket expenses please", TRAIN)
    assert train.question == train.samples[0]
    assert (train.first_at, train.last_at) == (NOON, NOON + timedelta(minutes=2))
    assert train.documents == ("folder:travel.md",)
    assert (room.question, room.asked, room.again) == (ROOM, 1, False)


async def test_an_answer_that_found_nothing_and_is_rated_besides_counts_once(gaps: Gaps) -> None:
    nothing = asked(mode=AnswerMode.NOT_FOUND)
    found = unanswered(nothing, NOON)
    assert found is not None
    assert unanswered(asked(), NOON) is None
    await gaps.note(found)
    await gaps.note(miss(nothing, "slack:ANA", Reason.MISSING, minutes=1))
    await gaps.note(miss(nothing, "slack:BOB", Reason.MISSING, minutes=2))
    [gap] = await gaps.gaps()
    assert (gap.asked, gap.people, gap.reasons) == (1, 2, {"missing": 2})


async def test_who_thinks_again_takes_the_entry_back_and_a_gap_without_entries_is_none(gaps: Gaps, redis: Redis) -> None:
    await gaps.note(miss(asked(), "slack:BOB"))
    await gaps.note(miss(asked(), "slack:EVE"))
    await gaps.withdraw("a1", "slack:BOB")
    assert (await gaps.gaps())[0].people == 2, "who asked, and Eve"
    await gaps.withdraw("a1", "slack:EVE")
    assert await gaps.gaps() == []
    assert await redis.zcard("footnote:{gaps}:gaps") == await redis.hlen("footnote:{gaps}:vectors:words") == 0
    await gaps.withdraw("unknown", "slack:EVE")
    assert await gaps.note(miss(asked())), "and it may be opened anew"


async def test_what_is_done_comes_back_when_it_is_asked_again(gaps: Gaps) -> None:
    id = await gaps.note(miss(asked()))
    assert await gaps.done(id, NOON + timedelta(minutes=1))
    assert await gaps.gaps() == []
    await gaps.note(miss(asked(id="a2", user="slack:BOB"), minutes=2))
    [gap] = await gaps.gaps()
    assert (gap.id, gap.asked, gap.people, gap.again) == (id, 1, 1, True)
    assert not await gaps.done("unknown", NOON)
    assert await gaps.answered("a2", NOON + timedelta(minutes=3))
    assert await gaps.gaps() == []
    assert not await gaps.answered("unknown", NOON)


async def test_what_should_not_have_been_read_comes_first_and_then_what_most_people_miss(gaps: Gaps) -> None:
    for number, user in enumerate(("slack:ANA", "slack:BOB", "slack:EVE")):
        await gaps.note(miss(asked(id=f"t{number}", user=user)))
    for number in range(4):
        await gaps.note(miss(asked(ROOM, id=f"r{number}")))
    await gaps.note(miss(asked("salaries", id="s"), reason=Reason.PRIVATE))
    assert [gap.question for gap in await gaps.gaps()] == ["salaries", TRAIN, ROOM]


async def test_a_private_question_counts_without_a_word_of_it(gaps: Gaps, redis: Redis) -> None:
    await gaps.note(miss(asked("am I fired", private=True), reason=None))
    [gap] = await gaps.gaps()
    assert (gap.question, gap.samples, gap.documents, gap.asked, gap.people) == ("", (), (), 1, 1)
    kept = [str(await redis.hgetall(key)) for key in await redis.keys("footnote:{gaps}:gap:*")]
    assert "fired" not in "".join(kept)


async def test_who_asked_in_private_may_say_that_it_is_missing_and_then_it_can_be_read(gaps: Gaps) -> None:
    await gaps.note(miss(asked("parking for bikes", private=True), reason=Reason.MISSING))
    assert [gap.question for gap in await gaps.gaps()] == ["parking for bikes"]
    await gaps.note(miss(asked("salaries of all", id="s", private=True), reason=Reason.PRIVATE))
    [report, _] = await gaps.gaps()
    assert (report.question, report.documents) == ("", ("folder:travel.md",)), "what leaked can be found, not who asked what"


async def test_a_person_is_forgotten_with_their_words_wherever_they_are_kept(gaps: Gaps, redis: Redis) -> None:
    await gaps.note(miss(asked(id="a1", user="slack:ANA")))
    await gaps.note(miss(asked("train ticket expenses BOB", id="a2", user="slack:BOB")))
    await gaps.note(miss(asked(ROOM, id="a3", user="slack:ANA"), user="slack:BOB"))
    assert await gaps.forget_person("slack:ANA") == 2
    [gap] = await gaps.gaps()
    assert (gap.samples, gap.people) == (("train ticket expenses BOB",), 1)
    everything = [await redis.hgetall(key) for key in await redis.keys("footnote:{gaps}:gap:*")]
    assert "ANA" not in str(everything)
    assert await gaps.forget_person("slack:ANA") == 0


async def test_what_is_still_on_its_way_when_its_person_is_forgotten_is_not_kept(redis: Redis) -> None:
    gaps = a_queue(redis, clock=lambda: NOON + timedelta(minutes=1))
    await gaps.note(miss(asked(id="b1", user="slack:BOB")))
    await gaps.forget_person("slack:ANA")
    await gaps.note(miss(asked(id="a1"), minutes=1))
    await gaps.note(miss(asked(ROOM, id="a2"), minutes=1))
    await gaps.note(miss(asked(ROOM, id="a3"), user="slack:EVE", minutes=1))
    [gap] = await gaps.gaps()
    assert (gap.question, gap.people) == (TRAIN, 1), "Bob's alone: neither hers, nor what Eve says of her question"
    await gaps.note(miss(asked(ROOM, id="a4"), minutes=2))
    assert len(await gaps.gaps()) == 2, "what she asks from then on counts"


async def test_of_a_gap_only_the_latest_entries_are_kept_and_the_others_are_counted(gaps: Gaps, redis: Redis) -> None:
    for number in range(MOST_ENTRIES + 7):
        id = await gaps.note(miss(asked(id=f"a{number}", user=f"slack:U{number}"), minutes=number))
    [gap] = await gaps.gaps()
    assert gap.asked == MOST_ENTRIES + 7
    assert gap.last_at == NOON + timedelta(minutes=MOST_ENTRIES + 6)
    assert await redis.hlen(f"footnote:{{gaps}}:gap:{id}") <= MOST_ENTRIES + 2


async def test_gaps_that_were_not_asked_for_longest_make_room_and_a_quarter_of_a_year_ends_them(redis: Redis) -> None:
    gaps = a_queue(redis, most=3)
    for number, word in enumerate(("ab", "cd", "ef", "gh", "ik")):
        await gaps.note(miss(asked(word, id=word), minutes=number))
    assert {gap.question for gap in await gaps.gaps()} == {"ef", "gh", "ik"}
    assert await redis.hlen("footnote:{gaps}:vectors:words") == 3
    assert 0 < await redis.ttl("footnote:{gaps}:gaps") <= GAP_TTL.total_seconds()
    later = Miss(answered=asked("lm", id="lm"), user="slack:ANA", at=NOON + GAP_TTL + timedelta(days=1))
    await gaps.note(later)
    assert [gap.question for gap in await gaps.gaps()] == ["lm"]


async def test_a_gap_whose_entries_expired_is_opened_anew_under_the_same_question(gaps: Gaps, redis: Redis) -> None:
    old = await gaps.note(miss(asked()))
    await redis.delete(f"footnote:{{gaps}}:gap:{old}")
    new = await gaps.note(miss(asked(id="a2")))
    assert new != old
    assert [gap.id for gap in await gaps.gaps()] == [new]


async def test_many_processes_that_are_asked_the_same_at_once_open_one_gap(redis: Redis) -> None:
    processes = [a_queue(redis) for _ in range(8)]
    words = ("aa bb cc", "dd ee ff", "gg hh ii", "kk ll mm")
    await asyncio.gather(
        *(
            process.note(miss(asked(text, id=f"{number}-{text}", user=f"slack:U{number}")))
            for number, process in enumerate(processes)
            for text in words
        )
    )
    found = await processes[0].gaps()
    assert sorted((gap.question, gap.asked, gap.people) for gap in found) == [(text, 8, 8) for text in words]


async def test_what_other_processes_opened_is_learned_and_the_rest_is_not_read_again(redis: Redis) -> None:
    embedder = Counted()
    mine, other = a_queue(redis, embedder), a_queue(redis)
    await mine.note(miss(asked("aa bb")))
    opened = await other.note(miss(asked("cc dd", id="a2")))
    assert await mine.note(miss(asked("dd cc", id="a3"))) == opened
    assert await mine.note(miss(asked("dd cc", id="a3"), "slack:BOB")) == opened
    assert embedder.embedded == ["aa bb", "dd cc"], "whoever rates an answer that is placed already needs no vector"


async def test_vectors_of_another_model_are_not_compared(redis: Redis) -> None:
    class OtherWords(WordEmbedder):
        name, dimension = "other words", 16

    await a_queue(redis).note(miss(asked()))
    await a_queue(redis, OtherWords()).note(miss(asked(id="a2")))
    assert [gap.asked for gap in await a_queue(redis).gaps()] == [1, 1]


async def test_without_redis_it_is_said_that_nothing_can_be_done() -> None:
    gaps = a_queue(redis_away())
    with pytest.raises(TransientError, match="Please try again"):
        await gaps.note(miss(asked()))
    with pytest.raises(TransientError, match="Please try again"):
        await gaps.gaps()
