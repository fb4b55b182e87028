"""The list of gaps as administrators see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.gaps import SHOWN, GapList, Unanswered
from core.errors import TransientError, UserError
from core.evaluation.feedback import Answered
from core.evaluation.gaps import Gaps, Miss
from core.models import ANYONE, PUBLIC, Access, Answer, AnswerMode, Audience, Chunk, Hit, Reason
from tests.fakes import NOON, RecordingReply, answer, groups, message
from tests.memory_index import WordEmbedder
from tests.unit.core.evaluation.test_gaps import asked

ADMIN = "slack:ROOT"
PAGES = {"Travel": PUBLIC, "Salaries of *all*": Access(gates=(frozenset({"user:root@acme.com"}),))}


async def search(query: str, audience: Audience, k: int, sources: Collection[str] = ()) -> list[Hit]:
    """The last page that the audience may read is the nearest one."""
    readable = [title for title, access in PAGES.items() if audience.may_read(access)]
    chunks = [
        Chunk(
            document_id=f"wiki:{title[:6]}",
            position=0,
            source="wiki",
            title=title,
            url="https://wiki.acme.com/x",
            headings=(),
            text="",
            updated_at=NOON,
            access=PAGES[title],
        )
        for title in reversed(readable)
    ]
    return [Hit(chunk=chunk, score=1.0) for chunk in chunks[:k]]


async def away(query: str, audience: Audience, k: int, sources: Collection[str] = ()) -> list[Hit]:
    raise TransientError("away")


def not_found(question: str, id: str) -> Answer:
    return replace(answer(id=id, question=question), mode=AnswerMode.NOT_FOUND)


class Office:
    def __init__(self, redis: Redis) -> None:
        self.gaps = Gaps(redis, WordEmbedder(), near=0.8)
        self.unanswered = Unanswered(self.gaps)
        self.asked = 0
        self.list = GapList(self.gaps, search, groups({}), frozenset({ADMIN}), clock=lambda: NOON + timedelta(minutes=30))

    async def asks(self, question: str, id: str, user: str = "slack:ANA", *, private: bool = False) -> None:
        self.asked += 1
        at = NOON + timedelta(minutes=self.asked)
        self.unanswered(message(question, user=user, private=private, sent_at=at), not_found(question, id))
        await self.unanswered.settled()

    async def says(self, text: str = "", user: str = ADMIN, *holds: str) -> RecordingReply:
        reply = RecordingReply()
        command = Command(
            name="gaps",
            text=text,
            user=user,
            user_name="Root",
            principals=frozenset({user, *holds}),
            platform="slack",
            channel_id="C1",
            conversation_id=None,
        )
        await self.list.run(command, reply)
        return reply


@pytest.fixture
def office(redis: Redis) -> Office:
    return Office(redis)


async def test_an_unanswered_question_is_on_the_list_and_an_answered_one_is_not(office: Office) -> None:
    assert "No gaps" in (await office.says()).replies[0]
    office.unanswered(message(), answer())
    await office.unanswered.settled()
    assert "No gaps" in (await office.says()).replies[0]
    await office.asks("bike parking", "a1")
    await office.asks("parking bike", "a2", "slack:BOB")
    [told] = (await office.says()).replies
    assert told.splitlines() == [
        "**1 gap**, what most people miss first",
        "1. **parking bike** · “bike parking”: 2 times by 2 people since 2026-11-02, last 2026-11-02; unanswered 2; "
        "nearest page: [Travel](https://wiki.acme.com/x)",
    ]


async def test_what_somebody_tells_in_a_thread_is_no_gap_and_a_question_or_a_few_words_are(office: Office) -> None:
    await office.asks("Bikes are parked in the basement, gate 3.", "a1")
    await office.asks("Great, thanks!", "a2")
    assert await office.gaps.gaps() == []
    await office.asks("bike parking", "a3")
    await office.asks("I have a question. Where do visitors leave their cars?", "a4")
    assert len(await office.gaps.gaps()) == 2


async def test_the_nearest_page_is_one_that_the_administrator_may_read_and_no_markup_is_taken_over(office: Office) -> None:
    await office.asks("what do *you* [earn](https://evil.example)", "a1")
    assert "Travel" in (await office.says()).replies[0]
    [told] = (await office.says("", ADMIN, "user:root@acme.com")).replies
    assert "nearest page: [Salaries of all](https://wiki.acme.com/x)" in told
    assert "**what do you earn(https://evil.example)**" in told
    office.list = GapList(office.gaps, away, groups({}), frozenset({ADMIN}))
    assert "nearest" not in (await office.says()).replies[0]


async def test_done_takes_a_gap_off_the_list_until_somebody_asks_again(office: Office) -> None:
    await office.asks("bike parking", "a1")
    [button] = (await office.says()).buttons
    assert button.label == "Done: 1"
    assert len(button.command) <= 90
    assert "comes back" in (await office.says(button.command.removeprefix("gaps "))).replies[0]
    assert "No gaps" in (await office.says()).replies[0]
    office.unanswered(message("bike parking", sent_at=NOON.replace(hour=13)), not_found("bike parking", "a2"))
    await office.unanswered.settled()
    assert "asked again after it was done" in (await office.says()).replies[0]
    with pytest.raises(UserError, match="no gap `unknown`"):
        await office.says("done unknown")


async def test_private_questions_are_counted_and_not_shown(office: Office) -> None:
    await office.asks("am I fired", "a1", private=True)
    await office.asks("promotion when", "a2", private=True)
    [told] = (await office.says()).replies
    assert "fired" not in told
    assert "promotion" not in told
    assert "Besides, 2 asked in private" in told
    rows = await office.list.rows(ANYONE)
    assert [(row["question"], row["asked"], row["nearest"]) for row in rows] == [(None, 1, None)] * 2


async def test_a_report_of_something_private_stands_first_with_the_documents_to_look_at(office: Office) -> None:
    for number in range(3):
        await office.asks("bike parking", f"b{number}", f"slack:U{number}")
    shown = asked("salaries", id="s1", private=True)
    await office.gaps.note(Miss(answered=shown, user="slack:ANA", at=NOON, reason=Reason.PRIVATE))
    lines = (await office.says()).replies[0].splitlines()
    assert lines[1].startswith("1. A question that was asked in private: once")
    assert "should not have read this; it was made from `folder:travel.md`" in lines[1]
    assert "ANA" not in "\n".join(lines)


async def test_a_long_list_is_cut_and_says_so(office: Office) -> None:
    for number in range(SHOWN + 2):
        await office.asks(chr(97 + number), f"a{number}")
    reply = await office.says()
    assert "and 2 more: `footnote gaps`" in reply.replies[0]
    assert len(reply.buttons) == SHOWN


async def test_only_administrators_see_it(office: Office) -> None:
    for text in ("", "done x"):
        with pytest.raises(UserError, match="administrators"):
            await office.says(text, "slack:ANA")
    with pytest.raises(UserError, match="gaps done ID"):
        await office.says("everything")


async def test_a_queue_that_is_away_keeps_nobody_from_their_answer(redis: Redis) -> None:
    class Broken(Gaps):
        async def note(self, _miss: Miss) -> str:
            raise RuntimeError("no model")

    unanswered = Unanswered(Broken(redis, WordEmbedder()))
    unanswered(message(), not_found("What?", "a1"))
    await unanswered.settled()


async def test_the_json_holds_all_that_is_known_and_nobody(office: Office) -> None:
    await office.asks("bike parking", "a1")
    [row] = await office.list.rows(ANYONE)
    assert {"id", "question", "samples", "asked", "people", "reasons", "documents", "nearest", "first_at", "again"} <= row.keys()
    assert row["nearest"]["title"] == "Travel"
    assert "ANA" not in str(row)
    assert Answered.of(message(), answer()).documents == ()
