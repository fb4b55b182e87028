"""The Slack bot as a process of its own, with an assistant that follows a script: to be killed and stopped at any moment.

``python -m tests.e2e.slack_process SETTINGS`` is that process; it ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bots.finishing import finish_left_behind
from bots.pending import Pending
from bots.redis import connect_redis
from bots.responder import Responder
from bots.slack.app import SlackBot
from core.answering.gate import Gate
from core.models import Answer, Audience, Message
from core.settings import Settings
from core.telemetry import configure_logging
from core.together import cancelled
from tests.fakes import ScriptedAssistant, answer, groups

ROOT = Path(__file__).parents[2]
_READY = b"ready\n"


@dataclass(frozen=True, kw_only=True)
class Script:
    slack: str
    """The address of the emulated Slack."""
    bot_token: str
    app_token: str
    redis: str
    """The socket of the shared Redis."""
    asked: str
    """A file that gets a line for each question that the assistant is asked."""
    pieces: tuple[str, ...]
    """What it answers to every question, which stands where they say ``{question}``."""
    pause: float
    """Seconds before each of them, and after the last."""
    lease: float = 1.5
    ping: float = 5.0
    drain: float = 10.0


@asynccontextmanager
async def running(script: Script, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is connected; killed at the end if it still runs."""
    with log.open("ab") as file:
        command = [sys.executable, "-m", __name__, json.dumps(asdict(script))]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=file)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == _READY, f"{log} says why"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _run(script: Script) -> None:
    def remember(text: str) -> None:
        with Path(script.asked).open("a") as file:
            file.write(f"{os.getpid()} {text}\n")

    async def says(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        remember(message.text)
        pieces = [piece.replace("{question}", message.text) for piece in script.pieces]
        for piece in pieces:
            await asyncio.sleep(script.pause)
            yield piece
        await asyncio.sleep(script.pause)
        yield answer("".join(pieces).strip(), question=message.text)

    redis = connect_redis(None, Path(script.redis))
    pending = Pending(redis, lease=script.lease)
    responder = Responder(ScriptedAssistant(says), Gate(redis, rate_limit=1000), pending=pending)  # type: ignore[arg-type]
    settings = Settings(
        _env_file=None,
        slack_bot_token=script.bot_token,
        slack_app_token=script.app_token,
        slack_api_url=script.slack,
    )
    bot = SlackBot(settings, responder, _NoCommands(), redis, groups({}), ping=script.ping)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await bot.start()
    finishing = asyncio.create_task(finish_left_behind(pending, bot))
    sys.stdout.buffer.write(_READY)
    sys.stdout.flush()
    await stop.wait()
    await bot.stop(script.drain)
    await cancelled(finishing)
    await redis.aclose()


class _NoCommands:
    async def run(self, command: object, reply: object) -> None: ...


if __name__ == "__main__":
    configure_logging("debug")
    asyncio.run(_run(Script(**json.loads(sys.argv[1]))))
