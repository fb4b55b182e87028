"""What the audit log tells of questions and commands, and what it does not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bots.command import Command, CommandReply
from bots.commands.private import PrivateAnswers
from bots.commands.registry import Commands
from bots.desk import AnswerDesk
from bots.responder import Responder
from core.answering.gate import Gate
from core.audit import Audit, question_facts, verify
from core.errors import TransientError
from core.models import ANYONE, Answer, Audience, Citation, Message
from tests.answering import LEAVE_HIT, TRAVEL_HIT
from tests.fakes import NOON, MemoryGate, RecordingReply, ScopedSource, ScriptedAssistant, answer, groups, message
from tests.unit.bots.commands.test_registry import ScriptedIndex, ScriptedJobs

SECRET_WORDS = "Who is paid 90,000 euros?"


class Log:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.audit = Audit(path, clock=lambda: NOON)

    def lines(self) -> list[dict[str, Any]]:
        self.audit.close()
        assert verify(self._path).broken is None
        return [json.loads(line) for line in self._path.read_text().splitlines()][1:]

    def line(self) -> dict[str, Any]:
        [line] = self.lines()
        return line

    def text(self) -> str:
        self.audit.close()
        return self._path.read_text()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "audit.jsonl")


async def anyone(_message: Message) -> Audience:
    return ANYONE


async def from_two_pages(asked: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    cited = Citation(
        number=1, document_id="wiki:leave", title="Leave", url="https://wiki", quote="Employees get 30 days", updated_at=NOON
    )
    hits = (TRAVEL_HIT, LEAVE_HIT, LEAVE_HIT)
    yield replace(answer("Thirty days [1].", asked.text, id="answer-1", hits=hits), citations=(cited,))


async def responds(log: Log, script: Any = from_two_pages, *, text: str = SECRET_WORDS, **fields: object) -> None:
    responder = Responder(ScriptedAssistant(script), MemoryGate(), audit=log.audit)
    await responder.respond(message(text, **fields), RecordingReply(), anyone)


async def test_an_answer_is_recorded_with_what_it_was_made_from_and_for_whom(log: Log) -> None:
    await responds(log)
    line = log.line()
    assert (line["event"], line["who"]) == ("question.answered", "test:ana")
    assert line["where"] == {"platform": "test", "channel": "test:channel"}
    audience = line["facts"].pop("audience")
    assert audience["readers"] == 1
    assert line["facts"] == {
        "question": question_facts(SECRET_WORDS),
        "private": False,
        "answer": "answer-1",
        "mode": "generated",
        "returned": ["wiki:leave", "wiki:travel"],
        "cited": ["wiki:leave"],
    }


async def test_nothing_of_what_was_said_is_recorded(log: Log) -> None:
    await responds(log, private=True)
    assert log.line()["facts"]["private"] is True
    for word in ("paid", "90,000", "Thirty", "Employees", "Leave", "https", "Ana"):
        assert word not in log.text()


async def test_a_refusal_is_recorded_by_its_kind(log: Log, redis: Redis) -> None:
    responder = Responder(ScriptedAssistant(), Gate(redis, rate_limit=1), audit=log.audit)
    for number, text in enumerate([":tada:", SECRET_WORDS, SECRET_WORDS]):
        await responder.respond(message(text, id=f"m:{number}"), RecordingReply(), anyone)
    first, _, last = log.lines()
    assert [(line["event"], line["facts"]["reason"]) for line in (first, last)] == [
        ("question.refused", "UserError"),
        ("question.refused", "TooMany"),
    ]


@pytest.mark.parametrize(
    ("error", "reason"), [(TransientError("Search is down"), "TransientError"), (RuntimeError(SECRET_WORDS), "unexpected")]
)
async def test_a_failure_is_recorded_without_the_text_of_its_error(log: Log, error: Exception, reason: str) -> None:
    async def fails(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        raise error
        yield ""

    await responds(log, fails)
    assert (log.line()["event"], log.line()["facts"]["reason"]) == ("question.failed", reason)
    assert "paid" not in log.text()


async def test_a_greeting_and_a_repetition_are_not_recorded(log: Log) -> None:
    responder = Responder(ScriptedAssistant(), MemoryGate(), audit=log.audit)
    for said in (message("", id="m:1"), message(id="m:2"), message(id="m:2")):
        await responder.respond(said, RecordingReply(), anyone)
    assert len(log.lines()) == 1


async def forgets(_command: Command, reply: CommandReply) -> None:
    await reply.say("Forgotten: 0 questions.")


def commands(log: Log, **more: Any) -> Commands:
    return Commands(
        jobs=ScriptedJobs(),
        index=ScriptedIndex(),
        sources={"wiki": ScopedSource("wiki", "ENG", "https://acme.atlassian.net/wiki/spaces/HR/pages/7/Salaries")},
        admins=frozenset({"slack:ROOT"}),
        interval=timedelta(minutes=10),
        audit=log.audit,
        more={"forget": forgets} | more,
        clock=lambda: NOON,
    )


def command(name: str, text: str = "", *, user: str = "slack:ROOT") -> Command:
    return Command(
        name=name,
        text=text,
        user=user,
        user_name="Ana",
        principals=frozenset({user}),
        platform="slack",
        channel_id="C1",
        conversation_id="C1",
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (command("reindex", "wiki ENG --dry-run"), ["wiki", "ENG", "--dry-run"]),
        (command("reindex", "wiki --prune"), ["wiki", "--prune"]),
        (command("status", "and some words"), None),
        (command("help", "and some words"), None),
        (command("forget", "here", user="slack:BEN"), ["here"]),
    ],
    ids=lambda value: value.name if isinstance(value, Command) else "",
)
async def test_a_command_is_recorded_with_who_gave_it_where_and_its_options(
    log: Log, given: Command, words: list[str] | None
) -> None:
    await commands(log).run(given, RecordingReply())
    line = log.line()
    assert (line["event"], line["who"]) == ("command.run", given.user)
    assert line["where"] == {"platform": "slack", "channel": "C1"}
    assert line["facts"] == {"command": given.name} | ({"words": words} if words else {})


@pytest.mark.parametrize("name", ["reindex", "status"])
async def test_whoever_may_not_is_refused_and_recorded_without_what_they_typed(log: Log, name: str) -> None:
    await commands(log).run(command(name, SECRET_WORDS, user="slack:EVE"), RecordingReply())
    line = log.line()
    assert (line["event"], line["who"]) == ("command.refused", "slack:EVE")
    assert line["facts"] == {"command": name, "reason": "UserError"}


async def test_of_an_unknown_command_not_even_its_name_is_recorded(log: Log) -> None:
    await commands(log).run(command("paid", SECRET_WORDS), RecordingReply())
    assert log.line()["facts"] == {"command": "unknown", "reason": "UserError"}


async def test_the_address_of_a_page_is_recorded_as_its_hash(log: Log) -> None:
    await commands(log).run(command("reindex", "https://acme.atlassian.net/wiki/spaces/HR/pages/7/Salaries"), RecordingReply())
    [word] = log.line()["facts"]["words"]
    assert word.startswith("sha256:")


async def test_a_private_answer_counts_as_a_question_and_sharing_it_is_recorded(log: Log, redis: Redis) -> None:
    async def classes(_audience: Audience) -> list[str]:
        return []

    async def accesses(_ids: object) -> dict[str, Any]:
        return {hit.chunk.document_id: hit.chunk.access for hit in (LEAVE_HIT, TRAVEL_HIT)}

    desk = AnswerDesk(redis, classes)
    gate = Gate(redis, rate_limit=2, channel_rate_limit=1)
    responder = Responder(ScriptedAssistant(from_two_pages), gate, desk=desk, audit=log.audit)
    private = PrivateAnswers(desk, responder, groups({}), accesses)
    shown = commands(log, private=private.ask, share=private.share)
    await responder.respond(message(SECRET_WORDS, user="slack:ANA", channel_id="C1"), RecordingReply(), anyone)
    for _ in range(2):
        reply = RecordingReply()
        await shown.run(command("private", "answer-1", user="slack:ANA"), reply)
    assert "You asked 2 questions in the last minute" in reply.replies[0]
    await shown.run(command("share", "answer-1", user="slack:ANA"), RecordingReply())
    assert [line["event"] for line in log.lines()] == [
        *("question.answered", "question.answered", "command.run", "question.refused", "command.run", "answer.shared")
    ]
    assert log.lines()[-1]["facts"] == {"command": "share", "words": ["answer-1"]}
