"""A bad day at Slack: many questions at once, delivered twice and in any order, while Slack limits, fails and hangs up, and the
processes of the bot are killed.

All randomness comes from a seed, so that a storm can be had again.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import BOT_USER, Post

_FAULTS = (
    "chat.postMessage",
    "chat.startStream",
    "chat.appendStream",
    "chat.update",
    "users.info",
    "assistant.threads.setStatus",
)


Wanted = Callable[[Post], str]


@dataclass(frozen=True, kw_only=True)
class Storm:
    questions: int = 100
    channels: int = 20
    people: int = 10
    seed: int = 1
    seconds: float = 4.0
    """Over which the questions are spread."""
    lag: float = 1.5
    """The most by which an event is late, so that later ones overtake it."""
    faults: int = 20
    """Calls of Slack's API that are refused, fail, or whose answer is lost."""
    cuts: int = 2
    """How often all sockets break."""
    kills: int = 2
    """How often a process dies: at even times, the first of two after a third of the questions."""

    async def rage(self, slack: SlackServer, kill: Callable[[], Coroutine[Any, Any, None]]) -> list[Post]:
        """Ask; returns the questions when all were delivered."""
        dice = random.Random(self.seed)
        people = [f"U{number}PERSON" for number in range(self.people)]
        channels = [f"C{number}STORM" for number in range(self.channels)]
        for person in people:
            slack.user(person, email=f"{person.lower()}@acme.com")
        for channel in channels:
            slack.channel(channel)
        faults = Counter(dice.randrange(self.questions) for _ in range(self.faults))
        cuts = {dice.randrange(self.questions) for _ in range(self.cuts)}
        kills = {self.questions * number // (self.kills + 1) for number in range(1, self.kills + 1)}
        posts, killing = [], []
        for number in range(self.questions):
            person = dice.choice(people)
            place = f"D{person}" if dice.random() < 0.2 else dice.choice(channels)
            posts.append(self._ask(slack, dice, person, place, number))
            for _ in range(faults[number]):
                _spoil(slack, dice)
            if number in cuts:
                slack.courier.cut()
            if number in kills:
                killing.append(asyncio.create_task(kill()))
            await asyncio.sleep(dice.expovariate(self.questions / self.seconds))
        await asyncio.gather(*killing)
        await asyncio.sleep(self.lag)
        await slack.settled()
        return posts

    def _ask(self, slack: SlackServer, dice: random.Random, person: str, place: str, number: int) -> Post:
        mention = "" if place.startswith("D") else f"<@{BOT_USER}> "
        post = slack.workspace.write(
            place, person, f"{mention}question {number}?", client_msg_id=str(uuid.UUID(int=dice.getrandbits(128)))
        )
        for event in slack.workspace.events_of(post):
            slack.late(event, [dice.uniform(0, self.lag) for _ in range(dice.choice((1, 1, 2, 3)))])
        return post


def _spoil(slack: SlackServer, dice: random.Random) -> None:
    method = dice.choice(_FAULTS)
    match dice.randrange(4):
        case 0:
            slack.fail(method, status=429, retry_after=1)
        case 1:
            slack.fail(method, status=dice.choice((500, 502, 503)))
        case 2:
            slack.lose(method)
        case _:
            slack.slow(dice.uniform(0.1, 1.0), method, times=1)


async def until_answered(slack: SlackServer, posts: list[Post], *, timeout: float, wanted: Wanted = lambda _: "") -> None:
    """Every one of them has a reply that says what is ``wanted``."""
    waiting = list(posts)

    def all_answered() -> bool:
        waiting[:] = [post for post in waiting if not any(wanted(post) in reply.shown for reply in slack.replies(post))]
        return not waiting

    await slack.until(all_answered, timeout=timeout, what="an answer to each")


def replies(slack: SlackServer, posts: list[Post]) -> Counter[int]:
    """How many questions have how many replies."""
    return Counter(len(slack.replies(post)) for post in posts)
