"""A topic begins anew, and everybody sees what is remembered of them, and of nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.memory import ANEW, MEMORY, NEW, MemoryCommands, new_topic
from core.answering.memory import Memory
from core.errors import UserError
from core.models import ANYONE, Turn
from tests.answering import public
from tests.fakes import NOON, RecordingReply


class Conversation:
    def __init__(self, redis: Redis) -> None:
        self.memory = Memory(redis, turns=20, ttl=timedelta(days=30), accesses=public)
        self.commands = MemoryCommands(self.memory, clock=lambda: NOON)

    async def asked(self, question: str, *, by: str = "slack:ANA", where: str = "thread", minutes: int = -1) -> None:
        at = NOON + timedelta(minutes=minutes)
        turn = Turn(question=question, answer="So.", accesses=(), asked_by=by, asked_by_name="Ana", at=at)
        await self.memory.add(where, turn)

    async def gives(self, name: str, *, user: str = "slack:ANA", where: str | None = "thread") -> str:
        command = Command(
            name=name,
            text="",
            user=user,
            user_name="Ana",
            principals=frozenset({user}),
            platform="slack",
            channel_id="C1",
            conversation_id=where,
        )
        reply = RecordingReply()
        await (self.commands.new if name == NEW else self.commands.show)(command, reply)
        [said] = reply.replies
        return said

    async def read(self) -> list[str]:
        return [turn.question for turn in await self.memory.read("thread", ANYONE)]


@pytest.fixture
def conversation(redis: Redis) -> Conversation:
    return Conversation(redis)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("new topic", ""),
        (" New topic. ", ""),
        ("NEW TOPIC: how many days of leave?", "how many days of leave?"),
        ("new topic — and now?", "and now?"),
        ("Start over!", ""),
        ("neues Thema", ""),
        ("new topic\nWhere is the office?", "Where is the office?"),
        ("new topics for the offsite?", None),
        ("new topic ideas, where do they go?", None),
        ("What is a new topic?", None),
        ("", None),
    ],
)
def test_a_new_topic_is_told_from_a_question_about_one(text: str, rest: str | None) -> None:
    assert new_topic(text) == rest


async def test_after_a_new_topic_only_what_is_asked_then_is_used_and_all_is_still_remembered(conversation: Conversation) -> None:
    await conversation.asked("Before?")
    assert await conversation.gives(NEW) == ANEW
    assert await conversation.read() == []
    await conversation.asked("After?", minutes=1)
    assert await conversation.read() == ["After?"]
    assert "2 questions" in await conversation.gives(MEMORY)
    assert await conversation.memory.forget("thread") == 2


async def test_where_the_thread_is_not_known_it_is_said_how_to_begin_anew(conversation: Conversation) -> None:
    with pytest.raises(UserError, match="Say there, to me: “new topic”"):
        await conversation.gives(NEW, where=None)


async def test_a_person_sees_their_own_questions_here_and_how_many_there_are_everywhere(conversation: Conversation) -> None:
    await conversation.asked("How many days of leave?", minutes=-9)
    await conversation.asked("What is Ben paid?", by="slack:BEN", minutes=-8)
    await conversation.asked("And in [France](https://evil.example)?", minutes=-7)
    await conversation.asked("Elsewhere?", where="other")
    said = await conversation.gives(MEMORY)
    assert said.splitlines()[:4] == [
        "I remember 3 questions of yours with the answers, everywhere together.",
        "In this conversation 2 questions:",
        "- 2026-11-02 11:51 UTC: “How many days of leave?”",
        "- 2026-11-02 11:53 UTC: “And in France?”",
    ]
    assert "30 days after the last question" in said
    assert "/footnote forget" in said
    assert "Ben" not in said
    assert "In this conversation" not in await conversation.gives(MEMORY, where=None)


async def test_of_many_questions_the_last_are_shown_and_long_ones_are_cut(conversation: Conversation) -> None:
    for number in range(14):
        await conversation.asked(f"Question {number} {'x' * 500}?", minutes=number - 60)
    said = await conversation.gives(MEMORY)
    assert "Question 3 " not in said
    assert "Question 13 " in said
    assert "- and 4 before these" in said
    assert len(said) < 3000


async def test_whoever_asked_nothing_is_told_so(conversation: Conversation) -> None:
    await conversation.asked("Mine?")
    assert (await conversation.gives(MEMORY, user="slack:EVE")).startswith(
        "I remember no questions of yours with the answers, everywhere together.\nIn this conversation no questions."
    )
