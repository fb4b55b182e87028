"""Slack: a question is answered once, whatever moment its process dies at."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bots.command import Command, CommandReply
from bots.commands.retry import Retry
from bots.pending import Pending
from bots.slack.app import SlackBot
from bots.slack.render import render
from core.errors import TransientError
from core.models import Answer, Audience, Message
from tests.e2e.slack_dialogue import ANA, GENERAL, Dialogue, ScriptedCommands, dialogue
from tests.e2e.slack_process import Script, running
from tests.emulators.slack_workspace import Post, Whisper
from tests.fakes import Script as Speech
from tests.fakes import ScriptedAssistant, answer

pytestmark = [pytest.mark.fault, pytest.mark.slow]

PIECES = tuple(f"Sentence {number} [1]. " for number in range(6))
WHOLE = "".join(PIECES).strip()
LONG = tuple(f"Paragraph {number}. {'word ' * 300}\n\n" for number in range(12))


def _quickly(pieces: tuple[str, ...]) -> Speech:
    async def says(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        for piece in pieces:
            await asyncio.sleep(0.1)
            yield piece
        yield answer("".join(pieces).strip(), question=message.text)

    return says


class House:
    """Processes of the bot around one Slack and one Redis."""

    def __init__(self, talk: Dialogue, home: Path) -> None:
        self.talk = talk
        self.slack = talk.slack
        self.asked = home / "asked"
        self._log = home / "log"
        self.script = Script(
            slack=talk.slack.url,
            bot_token=talk.slack.bot_token,
            app_token=str(talk.slack.app_token),
            redis=str(talk.redis.connection_pool.connection_kwargs["path"]),
            asked=str(self.asked),
            pieces=PIECES,
            pause=0.25,
        )

    def process(self, **how: object) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
        return running(replace(self.script, **how), self._log)  # type: ignore[arg-type]

    def next(self, pieces: tuple[str, ...] = PIECES) -> AbstractAsyncContextManager[SlackBot]:
        """The process that finds what was left behind; it is never killed, so it may as well be this one."""
        self.talk.assistant = ScriptedAssistant(_quickly(pieces))
        return self.talk.running()

    async def are_answered_once(self, *questions: Post, text: str = WHOLE) -> None:
        """Wait for the answers; each is there once and whole, nothing streams and no session is left working."""
        expected = [(message.text, list(message.blocks)) for message in render(answer(text))]

        def shown(question: Post) -> list[tuple[str, list[dict[str, Any]]]]:
            return [(reply.text, reply.blocks) for reply in self.slack.replies(question)]

        def all_there() -> bool:
            return all(shown(question) == expected for question in questions)

        await self.slack.until(all_there, timeout=25, what=f"the answers; there is {[shown(q) for q in questions]}")
        sessions = self.slack.streams.sessions
        await self.slack.until(lambda: set(sessions.values()) == {"active"}, timeout=5, what="idle sessions")
        # Longer than the lease: nobody begins once more.
        await asyncio.sleep(2.5)
        assert all_there()
        assert self.slack.streams.open == []
        assert self.slack.whispers(ANA) == []

    def times_asked(self) -> int:
        return len(self.asked.read_text().splitlines())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with dialogue() as talk:
        yield House(talk, tmp_path)


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


async def test_a_process_killed_while_it_thinks_leaves_the_question_to_the_next(house: House) -> None:
    async with house.process(pause=30) as first:
        question = await house.slack.mention(ANA, GENERAL, "how many days?")
        await house.slack.until(house.asked.exists, what="the question")
        await killed(first)
    async with house.next():
        await house.are_answered_once(question)


async def test_a_process_killed_while_it_streams_has_its_message_finished_by_another_that_runs_already(house: House) -> None:
    async with house.process() as first:
        question = await house.slack.mention(ANA, GENERAL, "how many days?")
        post = await house.slack.until_reply(question)
        async with house.next():
            await house.slack.until(lambda: "Sentence 2" in post.text, what="some of it")
            await killed(first)
            await house.are_answered_once(question)
            assert house.slack.replies(question) == [post]


@pytest.mark.parametrize("where", ["channel", "direct message"])
@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update"])
async def test_a_process_killed_while_it_waits_for_a_call_that_took_effect(house: House, method: str, where: str) -> None:
    house.slack.hold(method)
    async with house.process() as first:
        if where == "channel":
            question = await house.slack.mention(ANA, GENERAL, "how many days?")
        else:
            question = await house.slack.dm(ANA, "how many days?")
        await house.slack.until(lambda: house.slack.calls(method), timeout=15, what=method)
        await killed(first)
    async with house.next():
        await house.are_answered_once(question)


async def test_a_process_killed_after_the_answer_was_posted_has_it_answered_no_more(house: House) -> None:
    house.slack.hold("chat.postMessage")
    async with house.process(pause=0.0) as first:
        question = await house.slack.mention(ANA, GENERAL, "how many days?")
        await house.slack.until(lambda: house.slack.calls("chat.postMessage"), what="the post")
        await killed(first)
    async with house.next():
        await house.are_answered_once(question)
    assert house.times_asked() == 1


async def test_a_process_killed_between_the_posts_of_a_long_answer_leaves_no_part_twice(house: House) -> None:
    async with house.process(pieces=LONG, pause=0.0) as first:
        house.slack.hold("chat.postMessage", seconds=0.0)
        house.slack.hold("chat.postMessage")
        question = await house.slack.mention(ANA, GENERAL, "everything")
        await house.slack.until(lambda: len(house.slack.calls("chat.postMessage")) == 2, what="two posts")
        await killed(first)
    async with house.next(LONG):
        await house.are_answered_once(question, text="".join(LONG).strip())


async def test_where_slack_does_not_stream_a_process_killed_between_edits_leaves_one_message(house: House) -> None:
    house.slack.streams.refused_in["*"] = "unknown_method"
    async with house.process(pause=0.5) as first:
        question = await house.slack.mention(ANA, GENERAL, "how many days?")
        post = await house.slack.until_reply(question)
        await house.slack.until(lambda: post.edits, what="an edit")
        await killed(first)
    async with house.next():
        await house.are_answered_once(question)
        assert house.slack.replies(question) == [post]


async def test_many_questions_in_one_thread_and_a_kill_in_the_middle_of_them(house: House) -> None:
    async with house.process() as first:
        root = await house.slack.mention(ANA, GENERAL, "question 0")
        await house.slack.until_reply(root)
        for number in range(1, 8):
            await house.slack.say(ANA, GENERAL, f"question {number}?", thread=root)
            await asyncio.sleep(0.2)
        await killed(first)
    async with house.next():
        (message,) = render(answer(WHOLE))

        def all_there() -> bool:
            return [reply.text for reply in house.slack.replies(root)] == [message.text] * 8

        await house.slack.until(all_there, timeout=25, what="eight answers")
        await asyncio.sleep(2.5)
        assert all_there()
        assert house.slack.streams.open == []


async def test_a_process_that_is_told_to_stop_hands_over_what_it_cannot_finish(house: House) -> None:
    async with house.process(pause=3.0, drain=2.0) as first:
        asked = [await house.slack.mention(ANA, GENERAL, f"question {number}") for number in range(5)]
        await house.slack.until(lambda: house.asked.exists() and house.times_asked() == 5, what="five questions")
        await asyncio.sleep(3.3)
        assert len(house.slack.streams.open) == 5
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 10) == 0
        assert house.slack.streams.open == []
    async with house.next():
        await house.are_answered_once(*asked)


async def test_a_process_that_is_told_to_stop_finishes_what_it_can(house: House) -> None:
    async with house.process() as first:
        asked = [await house.slack.mention(ANA, GENERAL, f"question {number}") for number in range(5)]
        for question in asked:
            await house.slack.until_reply(question)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 15) == 0
    await house.are_answered_once(*asked)


async def test_processes_that_are_killed_one_after_the_other_answer_every_question_once(house: House) -> None:
    asked: list[Post] = []
    # A question of which three processes died is not tried again.
    for _ in range(2):
        async with house.process() as process:
            for _ in range(5):
                asked.append(await house.slack.mention(ANA, GENERAL, f"question {len(asked)}"))
                await asyncio.sleep(0.25)
            await killed(process)
    async with house.next():
        await house.are_answered_once(*asked)


async def test_a_question_is_not_acknowledged_before_it_is_kept(house: House) -> None:
    """A process that dies in between is brought the question again by Slack, or another one is."""
    house.slack.hold("users.info")
    house.slack.courier._retry_seconds = (0.5, 1.0, 2.0, 4.0)
    async with house.process() as first:
        question = await house.slack.mention(ANA, GENERAL, "how many days?")
        await house.slack.until(lambda: house.slack.calls("users.info"), what="asking who it is")
        await killed(first)
    async with house.next():
        await house.are_answered_once(question)


@pytest.mark.parametrize("where", ["channel", "direct message"])
async def test_a_question_that_failed_is_answered_once_when_it_is_tried_again(house: House, where: str) -> None:
    async def fails(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield PIECES[0]
        await asyncio.sleep(0.5)
        raise TransientError("The model did not answer.")

    async def retries(command: Command, reply: CommandReply) -> None:
        await Retry(Pending(house.talk.redis)).run(command, reply)

    house.talk.commands = ScriptedCommands(retries)
    house.talk.assistant = ScriptedAssistant(fails)
    async with house.talk.running():
        if where == "channel":
            question = await house.slack.mention(ANA, GENERAL, "how many days?")
            failed: Post | Whisper = await house.slack.until_whisper(ANA)
            assert house.slack.replies(question) == []
        else:
            question = await house.slack.dm(ANA, "how many days?")
            failed = await house.slack.until_reply(question)
            await house.slack.until(lambda: "did not answer" in house.slack.replies(question)[0].shown, what="the error")
        await house.slack.until(lambda: "active" in house.slack.streams.sessions.values(), what="the end")
    house.slack.workspace.whispers.clear()
    async with house.next():
        await house.slack.press(ANA, failed, "Try again")
        assert "trying it again" in (await house.slack.until_whisper(ANA)).shown
        house.slack.workspace.whispers.clear()
        await house.are_answered_once(question)
