"""`rate`, over the real desk, log and queue: what is said, what is noted, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bots.command import Command
from bots.commands.feedback import Ratings
from bots.desk import AnswerDesk
from core.audit import Audit
from core.errors import TransientError, UserError
from core.evaluation.feedback import FeedbackLog, Rating
from core.evaluation.gaps import Gaps
from core.models import Answer, AnswerMode, Citation, Reason
from tests.fakes import NOON, RecordingReply, answer, message
from tests.memory_index import WordEmbedder


async def nothing(_audience: object) -> list[str]:
    return []


class Silent(Gaps):
    """A queue whose Redis is away."""

    async def note(self, _miss: object) -> str:
        raise TransientError("away")


def cited(*updated: datetime, mode: AnswerMode = AnswerMode.GENERATED, id: str = "a1") -> Answer:
    citations = tuple(
        Citation(number=n, document_id=f"wiki:{n}", title="Leave", url="", quote="", updated_at=at)
        for n, at in enumerate(updated, start=1)
    )
    return replace(answer(id=id, question="How many days of leave?"), citations=citations, mode=mode)


class Room:
    """A process in front of a Redis that others share."""

    def __init__(self, redis: Redis, audit: Path | None = None) -> None:
        self.desk = AnswerDesk(redis, nothing)
        self.log = FeedbackLog(redis)
        self.gaps = Gaps(redis, WordEmbedder(), near=0.8)
        self.audit = Audit(audit)
        self.ratings = Ratings(self.desk, self.log, self.gaps, audit=self.audit, clock=lambda: NOON)

    async def answered(self, given: Answer | None = None, user: str = "slack:ANA", *, private: bool = False) -> None:
        await self.desk.answered(message(user=user, platform="slack", private=private), given or cited(NOON))

    async def rates(self, text: str, user: str = "slack:BOB") -> RecordingReply:
        reply = RecordingReply()
        command = Command(
            name="rate",
            text=text,
            user=user,
            user_name="Bob",
            principals=frozenset({user}),
            platform="slack",
            channel_id="C1",
            conversation_id=None,
        )
        await self.ratings.rate(command, reply)
        return reply

    async def noted(self) -> list[Rating]:
        return [rating async for rating in self.log.ratings()]


@pytest.fixture
async def room(redis: Redis) -> Room:
    room = Room(redis)
    await room.answered()
    return room


async def test_a_good_answer_is_thanked_for_and_opens_no_gap(room: Room) -> None:
    assert (await room.rates("a1 good")).replies == ["Thank you. It helps to know which answers do."]
    [rating] = await room.noted()
    assert (rating.feedback.good, rating.feedback.reason, rating.feedback.user) == (True, None, "slack:BOB")
    assert await room.gaps.gaps() == []


@pytest.mark.parametrize(
    ("reason", "thanks"),
    [
        ("wrong", "noted as wrong"),
        ("missing", "noted as missing"),
        ("private", "an administrator is told, without your name"),
        ("other", "will read it"),
    ],
)
async def test_each_reason_is_thanked_for_in_its_own_words(room: Room, reason: str, thanks: str) -> None:
    [said] = (await room.rates(f"a1 bad {reason}")).replies
    assert thanks in said
    assert (await room.noted())[0].feedback.reason == reason


async def test_who_says_that_it_is_outdated_is_told_of_when_the_pages_are(room: Room) -> None:
    old, older = datetime(2024, 3, 3, tzinfo=UTC), datetime(2019, 1, 31, tzinfo=UTC)
    await room.answered(cited(old))
    assert "The page that I cited was last edited on 2024-03-03." in (await room.rates("a1 bad outdated")).replies[0]
    await room.answered(cited(old, older))
    assert "pages that I cited were last edited on 2019-01-31, 2024-03-03." in (await room.rates("a1 bad outdated")).replies[0]
    await room.answered(cited())
    assert "noted as outdated" in (await room.rates("a1 bad outdated")).replies[0]


async def test_without_a_reason_it_is_asked_for_by_buttons_that_fit_every_platform(room: Room) -> None:
    reply = await room.rates("a1 bad")
    assert reply.replies == ["Thank you. What was wrong with it?"]
    assert [button.command for button in reply.buttons] == [f"rate a1 bad {reason}" for reason in Reason]
    assert max(len(button.command) - len("a1") + 32 for button in reply.buttons) <= 90
    assert await room.gaps.gaps() == [], "nobody knows yet whether it is work for anybody"


async def test_a_comment_is_noted_and_stands_for_another_reason_where_none_is_named(room: Room) -> None:
    await room.rates("a1 bad wrong It is *28* days,\nsince May")
    assert (await room.noted())[0].feedback.comment == "It is *28* days,\nsince May"
    await room.rates("a1 bad I do not like it")
    [rating] = await room.noted()
    assert (rating.feedback.reason, rating.feedback.comment) == (Reason.OTHER, "I do not like it")
    await room.rates("a1 good wrong numbers, and still good")
    [rating] = await room.noted()
    assert (rating.feedback.reason, rating.feedback.comment) == (None, "wrong numbers, and still good")


@pytest.mark.parametrize("text", ["", "a1", "a1 great", "bad a1"])
async def test_what_is_not_understood_is_answered_with_what_is(room: Room, text: str) -> None:
    with pytest.raises(UserError, match=r"`good` or `bad`.*wrong, outdated, missing, private, other"):
        await room.rates(text)


async def test_an_answer_is_rated_in_another_process_after_a_restart_and_for_thirty_days(room: Room, redis: Redis) -> None:
    assert 29 * 86_400 < await redis.ttl("footnote:answered:a1") <= 30 * 86_400
    await Room(redis).rates("a1 good")
    assert len(await room.noted()) == 1
    with pytest.raises(UserError, match="thirty days"):
        await room.rates("unknown good")


async def test_only_who_saw_a_private_answer_rates_it_until_it_is_shared(room: Room) -> None:
    await room.answered(cited(NOON, id="p1"), private=True)
    with pytest.raises(UserError, match="for one person alone"):
        await room.rates("p1 bad wrong")
    await room.rates("p1 good", "slack:ANA")
    await room.desk.shared("p1")
    await room.rates("p1 bad wrong")
    assert {each.feedback.user for each in await room.noted()} == {"slack:ANA", "slack:BOB"}


@pytest.mark.parametrize("reason", ["wrong", "outdated", "missing", "private"])
async def test_what_is_work_for_somebody_becomes_a_gap_and_none_any_more_when_the_person_thinks_again(
    room: Room, reason: str
) -> None:
    await room.rates(f"a1 bad {reason}")
    [gap] = await room.gaps.gaps()
    assert (gap.question, gap.reasons) == ("How many days of leave?", {reason: 1})
    await room.rates("a1 good")
    assert await room.gaps.gaps() == []


async def test_what_was_not_answered_stays_a_gap_even_if_the_asker_likes_that_it_was_said(room: Room) -> None:
    await room.answered(cited(mode=AnswerMode.NOT_FOUND))
    await room.rates("a1 bad missing", "slack:ANA")
    await room.rates("a1 good", "slack:ANA")
    [gap] = await room.gaps.gaps()
    assert gap.reasons == {"unanswered": 1}


async def test_who_rates_is_thanked_although_the_queue_is_away(room: Room, redis: Redis) -> None:
    room.ratings = Ratings(room.desk, room.log, Silent(redis, WordEmbedder()))
    assert "noted as wrong" in (await room.rates("a1 bad wrong")).replies[0]
    assert len(await room.noted()) == 1


async def test_ratings_are_counted_by_platform_and_reason(room: Room) -> None:
    def count(good: str, reason: str) -> float:
        labels = {"platform": "slack", "good": good, "reason": reason}
        return REGISTRY.get_sample_value("footnote_feedback_total", labels) or 0.0

    before = count("no", "wrong"), count("yes", "none")
    await room.rates("a1 bad wrong")
    await room.rates("a1 good")
    assert (count("no", "wrong"), count("yes", "none")) == (before[0] + 1, before[1] + 1)


async def test_neither_the_audit_log_nor_the_log_holds_a_word_of_it_and_a_report_is_said_aloud(
    redis: Redis, tmp_path: Path
) -> None:
    room = Room(redis, tmp_path / "audit.jsonl")
    await room.answered()
    with capture_logs() as logs:
        await room.rates("a1 bad private my colleague's salary")
    room.audit.close()
    lines = (tmp_path / "audit.jsonl").read_text()
    [recorded] = [line for line in map(json.loads, lines.splitlines()) if line["event"] == "answer.rated"]
    assert (recorded["who"], recorded["where"]["channel"]) == ("slack:BOB", "C1")
    assert recorded["facts"] == {"answer": "a1", "good": False, "reason": "private"}
    [told] = [entry for entry in logs if entry["event"] == "answer.reported_private"]
    assert (told["log_level"], told["documents"]) == ("warning", ["wiki:1"])
    assert "salary" not in str(logs) + lines
    assert "leave" not in str(logs) + lines
