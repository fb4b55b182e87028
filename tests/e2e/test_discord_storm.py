"""Discord under load: every question gets exactly one reply."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.e2e.discord_dialogue import scene
from tests.e2e.discord_process import Script, running
from tests.e2e.discord_storm import ANSWER, Storm, answered
from tests.e2e.replicas import replicas


@pytest.mark.fault
@pytest.mark.parametrize(
    "storm",
    [
        Storm(questions=100, seconds=8),
        pytest.param(
            Storm(questions=500, channels=60, people=60, seconds=40, faults=100, breaks=8, seed=2),
            marks=[pytest.mark.slow, pytest.mark.long],
        ),
    ],
    ids=lambda storm: f"{storm.questions} questions",
)
async def test_every_question_gets_exactly_one_reply_while_processes_are_killed(storm: Storm, tmp_path: Path) -> None:
    async with scene() as talk:
        script = Script(
            discord=talk.discord.api_url,
            token=talk.discord.token,
            redis=str(talk.redis.connection_pool.connection_kwargs["path"]),
            asked=str(tmp_path / "asked"),
            pieces=ANSWER,
            pause=0.12,
        )
        async with replicas(lambda: running(script, tmp_path / "log")) as processes:
            began = time.monotonic()
            asked = await storm.rage(talk.discord, processes.kill)
            await talk.discord.until(lambda: set(asked) <= set(answered(talk.discord)), 60, "an answer to each")
            seconds = time.monotonic() - began
            # Longer than a lease: nobody begins once more.
            await asyncio.sleep(3)
            await processes.all_run()
            assert processes.started == 2 + storm.kills
        again = len((tmp_path / "asked").read_text().splitlines()) - len(asked)
        print(f"{len(asked)} questions in {seconds:.1f} s, {again} begun once more")
        assert again > 0, "nobody was killed in the middle of an answer"
        assert sorted(answered(talk.discord)) == sorted(asked)
        assert not [given.data for given in talk.discord.interactions.values() if given.loading]
