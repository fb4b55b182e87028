"""One Footnote on several machines: bots and workers as processes of their own around a shared Qdrant and a shared Redis."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, ready
from tests.emulators.openai import OpenAIServer, Says
from tests.emulators.qdrant_server import QdrantProcess
from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import Post
from tests.redis_servers import Valkey

pytestmark = [pytest.mark.slow, pytest.mark.fault]

LEAVE = "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n"
QUESTION = "How many days of paid leave does everybody have?"
RECORD = "footnote:sync:{folder}"
ADMIN, ANA = "U1ADMIN", "U2ANA"


class Fleet:
    """The shared servers, Slack, the model, and the machines, each with a data folder of its own."""

    def __init__(self, home: Path, slack: SlackServer, model: OpenAIServer) -> None:
        self.slack = slack
        self.model = model
        self.pages = home / "pages"
        self.qdrant = QdrantProcess(home / "q")
        self.redis = Valkey(home / "r", "--appendonly", "yes")
        self.machines: list[asyncio.subprocess.Process] = []
        self._home = home
        self.logs: list[asyncio.Task[bytes]] = []

    @property
    def settings(self) -> dict[str, str]:
        return {
            "QDRANT_URL": self.qdrant.url,
            "REDIS_URL": self.redis.url,
            "FOOTNOTE_FOLDER": str(self.pages),
            "FOOTNOTE_HTTP_PORT": "0",
            "FOOTNOTE_LOG_FORMAT": "json",
            "FOOTNOTE_ADMINS": f"slack:{ADMIN}",
            # How long a machine takes to start decides how many questions come.
            "FOOTNOTE_RATE_LIMIT": "10000",
            "OPENAI_BASE_URL": self.model.url,
            "OPENAI_API_KEY": self.model.key,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_API_URL": self.slack.url,
        }

    async def machine(self, half: str) -> asyncio.subprocess.Process:
        """`footnote bots` or `footnote worker` on one more machine, ready."""
        home = Path(tempfile.mkdtemp(prefix="m", dir=self._home))
        process = await Installation(home, self.settings | {"FOOTNOTE_DATA_DIR": str(home / "d")}).start(half)
        self.machines.append(process)
        await ready(process)
        assert process.stderr is not None
        # Read on, or a full pipe would stop the machine.
        self.logs.append(asyncio.create_task(process.stderr.read()))
        return process

    async def reindex(self, *, timeout: float = 60) -> str:
        """The admin's /reindex, followed to its report."""
        before = len(self.slack.posts("C1"))
        await self.slack.command(ADMIN, "C1", "/reindex", "folder")

        def report() -> list[Post]:
            return [post for post in self.slack.posts("C1")[before:] if "done in" in post.shown]

        await self.slack.until(report, timeout=timeout, what="the report of /reindex")
        return report()[0].shown

    async def answer(self, question: str = QUESTION, *, timeout: float = 30, **how: int) -> str:
        asked = await self.slack.mention(ANA, "C1", question, **how)
        return (await self.slack.until_reply(asked, timeout=timeout)).shown

    async def refusal(self) -> float:
        """Ask, and be told alone and once that there is no search. Returns the seconds until then."""
        told, began = len(self.slack.whispers(ANA)), time.monotonic()
        asked = await self.slack.mention(ANA, "C1", QUESTION)
        notice = await self.slack.until_whisper(ANA, told + 1, timeout=20)
        assert "Search is unavailable" in notice.shown
        assert self.slack.replies(asked) == []
        return time.monotonic() - began

    async def close(self) -> None:
        for machine in self.machines:
            if machine.returncode is None:
                machine.kill()
            await machine.wait()
        await asyncio.gather(*self.logs)
        self.qdrant.kill()
        self.redis.kill()


@pytest.fixture
async def fleet(data_dir: Path) -> AsyncIterator[Fleet]:
    async with SlackServer() as slack, OpenAIServer() as model:
        slack.user(ADMIN, email="admin@acme.com")
        slack.user(ANA, email="ana@acme.com")
        slack.channel("C1")
        fleet = Fleet(data_dir, slack, model)
        fleet.pages.mkdir()
        (fleet.pages / "leave.md").write_text(LEAVE)
        try:
            await asyncio.gather(fleet.qdrant.start(), fleet.redis.start())
            yield fleet
        finally:
            await fleet.close()


async def test_two_bots_and_a_worker_are_one_footnote(fleet: Fleet) -> None:
    await asyncio.gather(fleet.machine("worker"), fleet.machine("bots"), fleet.machine("bots"))
    assert fleet.slack.courier.links >= 2
    assert "1 seen" in await fleet.reindex()
    asked = [await fleet.slack.mention(ANA, "C1", f"{QUESTION} ({number})", times=3) for number in range(4)]
    for question in asked:
        assert "thirty days" in (await fleet.slack.until_reply(question, timeout=30)).shown
    await fleet.slack.settled()
    await asyncio.sleep(1)
    assert [len(fleet.slack.replies(question)) for question in asked] == [1] * 4
    assert len(fleet.model.requests) == 4
    # Follow-ups need no mention, and whichever bot hears one knows the conversation.
    for number in range(2, 5):
        await fleet.slack.say(ANA, "C1", f"And when do unused days of leave expire? ({number})", thread=asked[0])
        assert "March" in (await fleet.slack.until_reply(asked[0], number, timeout=30)).shown
    assert "thirty days" in fleet.model.requests[-1].prompt


async def test_the_sync_of_a_worker_that_is_killed_is_finished_by_another(fleet: Fleet) -> None:
    for number in range(1500):
        (fleet.pages / f"page{number}.md").write_text(f"# Page {number}\n\nRoom {number} has {number} chairs and a window.\n")
    first = await fleet.machine("worker")
    await fleet.machine("bots")
    report = asyncio.create_task(fleet.reindex(timeout=150))
    async with asyncio.timeout(60):
        while not 0 < await _indexed(fleet) < 1500:
            await asyncio.sleep(0.05)
    first.kill()
    assert await fleet.redis.ask("HEXISTS", RECORD, "running") == ":1"
    assert not report.done()
    await fleet.machine("worker")
    assert "1,501 seen" in await report
    assert await fleet.redis.ask("HGET", RECORD, "fence") == "2"
    assert "399 chairs" in await fleet.answer("How many chairs does room 399 have?")


async def test_workers_share_the_documents_of_one_sync(fleet: Fleet):
    machines = [await fleet.machine("worker") for _ in range(3)]
    await fleet.machine("bots")
    assert "1 seen" in await fleet.reindex()
    for number in range(600):
        (fleet.pages / f"page{number}.md").write_text(f"# Page {number}\n\nRoom {number} has {number} chairs and a window.\n")
    assert "601 seen" in await fleet.reindex(timeout=150)
    assert "399 chairs" in await fleet.answer("How many chairs does room 399 have?")
    for machine in machines:
        machine.terminate()
    logs = [await log for log in fleet.logs[:3]]
    helped = [sum(json.loads(line)["documents"] for line in log.splitlines() if b'"help.given"' in line) for log in logs]
    assert sum(helped) > 0, "somebody did documents of another one's sync"


async def _indexed(fleet: Fleet) -> int:
    """Documents that the running sync has written so far, as the worker tells."""
    state = await fleet.redis.ask("HGET", RECORD, "progress")
    return int(json.loads(state)["report"]["indexed"]) if state.startswith("{") else 0


async def test_when_a_bot_is_killed_while_it_answers_the_other_answers_the_next_question(fleet: Fleet) -> None:
    await fleet.machine("worker")
    first = await fleet.machine("bots")
    await fleet.reindex()
    fleet.model.script(Says(text="Thirty days [1].", first_token_after=30))
    asked = await fleet.slack.mention(ANA, "C1", QUESTION)
    await fleet.slack.until(lambda: fleet.model.requests, timeout=20, what="asking the model")
    await fleet.machine("bots")
    first.kill()
    fleet.model.script("Thirty days [1].")
    assert "Thirty days" in await fleet.answer(f"{QUESTION} Please!")
    await fleet.slack.say(ANA, "C1", QUESTION, thread=asked)
    assert "Thirty days" in (await fleet.slack.until_reply(asked, timeout=20)).shown


async def test_without_qdrant_one_honest_reply_comes_soon_and_answers_when_it_is_back(fleet: Fleet) -> None:
    await asyncio.gather(fleet.machine("worker"), fleet.machine("bots"))
    await fleet.reindex()
    assert "thirty days" in await fleet.answer()
    fleet.qdrant.kill()
    assert await fleet.refusal() < 3
    await fleet.qdrant.start()
    assert "thirty days" in await fleet.answer()
    fleet.qdrant.freeze()
    assert await fleet.refusal() < 7
    fleet.qdrant.thaw()
    assert "thirty days" in await fleet.answer()
    assert len(fleet.slack.whispers(ANA)) == 2


async def test_without_redis_answers_come_without_memory_and_with_it_again_when_it_is_back(fleet: Fleet) -> None:
    await asyncio.gather(fleet.machine("worker"), fleet.machine("bots"))
    await fleet.reindex()
    assert "thirty days" in await fleet.answer()
    fleet.redis.kill()
    for number in range(3):
        asked = await fleet.slack.mention(ANA, "C1", f"{QUESTION} ({number})", times=3)
        assert "thirty days" in (await fleet.slack.until_reply(asked, timeout=20)).shown
        await fleet.slack.settled()
        assert len(fleet.slack.replies(asked)) == 1
    await fleet.redis.start()
    await asyncio.sleep(4)
    assert "1 seen" in await fleet.reindex()
    asked = await fleet.slack.mention(ANA, "C1", QUESTION)
    await fleet.slack.until_reply(asked, timeout=20)
    await fleet.slack.say(ANA, "C1", "And when do unused days of leave expire?", thread=asked)
    assert "March" in (await fleet.slack.until_reply(asked, 2, timeout=20)).shown
    assert "thirty days" in fleet.model.requests[-1].prompt
    assert all(machine.returncode is None for machine in fleet.machines)


async def test_a_machine_is_stopped_and_started_for_an_upgrade_while_questions_come(fleet: Fleet) -> None:
    await fleet.machine("worker")
    first = await fleet.machine("bots")
    await fleet.reindex()
    asked = []

    async def ask_on() -> None:
        while True:
            asked.append(await fleet.slack.mention(ANA if len(asked) % 2 else ADMIN, "C1", f"{QUESTION} ({len(asked)})"))
            await asyncio.sleep(0.8)

    asking = asyncio.create_task(ask_on())
    await asyncio.sleep(2)
    await fleet.machine("bots")
    first.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(first.wait(), 30) == 0
    await asyncio.sleep(2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    for question in asked:
        await fleet.slack.until_reply(question, timeout=20)
    await asyncio.sleep(1)
    assert [len(fleet.slack.replies(question)) for question in asked] == [1] * len(asked)
