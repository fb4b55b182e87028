"""A bad day at Discord: many questions at once, delivered more than once, while Discord limits, fails, hangs up and asks to
reconnect, and the processes of the bot are killed.

All randomness comes from a seed, so that a storm can be had again.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.emulators.discord import DiscordServer
from tests.emulators.discord_world import LOADING, Channel, User

_FAULTS = (
    ("POST", "/channels/.*/messages$"),
    ("PATCH", "/messages/"),
    ("POST", "/callback$"),
    ("POST", "/typing$"),
    ("GET", "/channels/"),
)
ANSWER = ("This ", "answers ", "{question}")
_WHOLE = re.compile(r"This answers (question \d+\?)")
_KINDS = (429, 500, 502, "refused", "lost")


@dataclass(frozen=True, kw_only=True)
class Storm:
    questions: int = 200
    channels: int = 25
    people: int = 20
    seed: int = 1
    seconds: float = 12.0
    """Over which the questions are spread."""
    lag: float = 1.5
    """The most by which an event comes once more."""
    faults: int = 30
    """Requests that are refused, fail, or whose answer is lost."""
    breaks: int = 4
    """How often the connections are cut, or asked to come back, by turns; what was missed is replayed then."""
    kills: int = 2
    """How often a process dies: at even times, the first of two after a third of the questions."""

    async def rage(self, discord: DiscordServer, kill: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
        """Ask; returns the questions when all were delivered."""
        dice = random.Random(self.seed)
        people = [discord.user(f"Person {number}") for number in range(self.people)]
        channels = [discord.channel(f"storm-{number}") for number in range(self.channels)]
        faults = Counter(dice.randrange(self.questions) for _ in range(self.faults))
        breaks = {dice.randrange(self.questions): number for number in range(self.breaks)}
        kills = {self.questions * number // (self.kills + 1) for number in range(1, self.kills + 1)}
        asked: list[str] = []
        meanwhile: list[asyncio.Task[None]] = []
        for number in range(self.questions):
            asked.append(f"question {number}?")
            again = await _ask(discord, dice, dice.choice(people), dice.choice(channels), asked[-1])
            for _ in range(dice.choice((0, 0, 1, 2))):
                meanwhile.append(asyncio.create_task(_after(dice.uniform(0, self.lag), again)))
            for _ in range(faults[number]):
                discord.fail(*dice.choice(_FAULTS), dice.choice(_KINDS))
            if number in breaks:
                await (discord.gateway.ask_to_reconnect() if breaks[number] % 2 else discord.gateway.cut())
            if number in kills:
                meanwhile.append(asyncio.create_task(kill()))
            await asyncio.sleep(dice.expovariate(self.questions / self.seconds))
        await asyncio.gather(*meanwhile)
        return asked


async def _ask(discord: DiscordServer, dice: random.Random, person: User, channel: Channel, text: str) -> Callable[[], None]:
    """By a mention, a direct message or a command; what delivers it once more."""
    match dice.randrange(10):
        case 0 | 1:
            message = await discord.dm(person, text)
        case 2 | 3 | 4:
            given = await discord.slash(person, "ask", channel=channel, question=text, private=dice.random() < 0.3)
            return lambda: discord.deliver_interaction(given)
        case _:
            message = await discord.mention(person, channel, text)
    return lambda: discord.deliver(message)


async def _after(seconds: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    act()


def answered(discord: DiscordServer) -> list[str]:
    """For each message of the bot the question that it answers, or its text where that is none of them in whole."""
    said = [message for message in discord.messages.values() if message.author is discord.bot and not message.deleted]
    shown = [message.content for message in said if not message.flags & LOADING]
    return [found[1] if (found := _WHOLE.search(text)) else text for text in shown]
