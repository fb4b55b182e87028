"""Slack under load: every question gets exactly one reply, and no conversation sees another's memory."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import pytest

from core.answering.assistant import Assistant
from core.answering.memory import Memory
from core.answering.model import build_model
from core.settings import Settings
from tests.answering import LEAVE_HIT, ScriptedSearch
from tests.e2e.replicas import replicas
from tests.e2e.slack_dialogue import dialogue
from tests.e2e.slack_process import Script, running
from tests.e2e.slack_storm import Storm, replies, until_answered
from tests.emulators.openai import OpenAIServer
from tests.emulators.slack_workspace import Post

WORDS = [
    f"{first}{second:02}"
    for first in ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")
    for second in range(100)
]


def wanted(post: Post) -> str:
    return f"This answers question{post.text.partition('question')[2]}"


@pytest.mark.fault
@pytest.mark.parametrize(
    "storm",
    [
        Storm(questions=150, channels=20, people=15, seconds=10, faults=30, cuts=2),
        pytest.param(
            Storm(questions=1000, channels=50, people=40, seconds=50, faults=150, cuts=5, seed=2),
            marks=[pytest.mark.slow, pytest.mark.long],
        ),
    ],
    ids=lambda storm: f"{storm.questions} questions",
)
async def test_every_question_gets_exactly_one_reply_while_processes_are_killed(storm: Storm, tmp_path: Path) -> None:
    asked_of_assistants = tmp_path / "asked"
    async with dialogue(retry_seconds=(0.2, 0.5, 1, 2, 4)) as talk:
        script = Script(
            slack=talk.slack.url,
            bot_token=talk.slack.bot_token,
            app_token=str(talk.slack.app_token),
            redis=str(talk.redis.connection_pool.connection_kwargs["path"]),
            asked=str(asked_of_assistants),
            pieces=("This ", "answers ", "{question}"),
            pause=0.12,
            ping=0.5,
        )
        async with replicas(lambda: running(script, tmp_path / "log")) as processes:
            began = time.monotonic()
            posts = await storm.rage(talk.slack, processes.kill)
            await until_answered(talk.slack, posts, timeout=120, wanted=wanted)
            seconds = time.monotonic() - began
            # Longer than a lease: nobody begins once more.
            await asyncio.sleep(3)
            await processes.all_run()
            assert processes.started == 2 + storm.kills
        again = len(asked_of_assistants.read_text().splitlines()) - len(posts)
        print(f"{len(posts)} questions in {seconds:.1f} s, {again} begun once more: {replies(talk.slack, posts)}")
        assert again > 0, "nobody was killed in the middle of an answer"
        assert replies(talk.slack, posts) == {1: storm.questions}
        for post in posts:
            (reply,) = talk.slack.replies(post)
            assert reply.shown == wanted(post)
        assert not talk.slack.workspace.statuses
        assert not talk.slack.streams.open


@pytest.mark.parametrize(
    ("channels", "threads"), [(10, 4), pytest.param(50, 4, marks=pytest.mark.slow)], ids=["40 questions", "200 questions"]
)
async def test_no_conversation_sees_anothers_memory(channels: int, threads: int) -> None:
    async with dialogue() as talk, OpenAIServer() as model:
        search = ScriptedSearch(LEAVE_HIT)
        memory = Memory(talk.redis, turns=6, ttl=timedelta(hours=1), accesses=search.accesses)
        settings = Settings(_env_file=None, openai_base_url=model.url, openai_api_key=model.key)
        talk.assistant = Assistant(  # type: ignore[assignment]  # the real one
            search=search, accesses=search.accesses, model=build_model(settings), memory=memory
        )
        places = [f"C{number}LOAD" for number in range(channels)]
        for number, place in enumerate(places):
            talk.slack.user(f"U{number}LOAD", email=f"u{number}@acme.com")
            talk.slack.channel(place)
        words = iter(WORDS)
        talks = [(place, f"U{number}LOAD", next(words)) for number, place in enumerate(places) for _ in range(threads)]
        async with talk.running():
            asked = [
                await talk.slack.mention(user, place, f"How many days of paid leave are there for project {word}?")
                for place, user, word in talks
            ]
            await until_answered(talk.slack, asked, timeout=100)
            before = len(model.requests)
            for thread, (place, user, _) in zip(asked, talks, strict=True):
                await talk.slack.mention(user, place, "And how many of them are paid leave a year?", thread=thread)
            await talk.slack.until(lambda: replies(talk.slack, asked) == {2: len(talks)}, timeout=100, what="two replies each")
        follow_ups = [request.prompt for request in model.requests[before:]]
        mentioned = [{word for _, _, word in talks if word in prompt} for prompt in follow_ups]
        assert all(len(known) <= 1 for known in mentioned), "a prompt knows of one project: that of its own thread"
        # On a machine that has too much to do some wait for their memory in vain, and answer without it.
        assert len(set().union(*mentioned)) > len(talks) / 2, "and follow-ups knew their own"
