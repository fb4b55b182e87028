"""A question that a person asks by a button: a line of ours says who asked it, and stands for their message."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from bots.slack.markup import cut, escape, literal
from bots.slack.mrkdwn import SECTION
from bots.slack.poster import Poster
from bots.slack.render import SlackMessage, section
from bots.slack.translate import Given, Heard
from core.patience import Patience
from core.redis import AWAY

log = structlog.get_logger(__name__)

_TWICE_SECONDS = 10
"""Who presses a button again so soon means the same."""
_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    question: str
    user: str
    channel: str
    thread: str | None
    """None: it begins one."""
    response_url: str
    trigger: str
    """Unique for each press."""
    key: str
    """Equal for what is the same button pressed by the same person."""
    after: str
    """The ts of a message that stands before it."""
    team: str = ""
    """As of Heard."""


def asked(said: Given) -> Asked:
    """A follow-up question below an answer, or an example at home."""
    parts = (said.channel, said.message or said.thread or "", said.user, said.text)
    return Asked(
        question=said.text,
        user=said.user,
        channel=said.channel,
        thread=said.thread,
        response_url=said.response_url,
        trigger=said.trigger,
        key=hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32],
        after=said.message or said.thread or "0",
        team=said.team,
    )


async def first(redis: Redis, team: str, asked: Asked) -> bool:
    """False when it was asked a moment ago. Without Redis every press counts."""
    try:
        async with Patience().within(_SECONDS):
            return bool(await redis.set(f"footnote:slack:asked:{team}:{asked.key}", 1, nx=True, ex=_TWICE_SECONDS))
    except AWAY as error:
        log.warning("press.not_remembered", error=type(error).__name__)
        return True


def render_asked(name: str, question: str) -> SlackMessage:
    """``name`` is what the person is called: nobody is mentioned."""
    text = next(cut(f"*{literal(name)}* asks: {literal(question)}", SECTION))
    return SlackMessage(text, (section(text),))


async def put(poster: Poster, asked: Asked, name: str) -> Heard:
    """Say in the thread who asks what, once. Raises OutOfReachError where we cannot."""
    line, key = render_asked(name, asked.question), f"asked:{asked.trigger}"
    ts = await poster.post(line, channel=asked.channel, thread=asked.thread, after=asked.after, key=key)
    return Heard(
        channel=asked.channel,
        ts=ts,
        thread=asked.thread or ts,
        user=asked.user,
        text=escape(asked.question),
        private=asked.channel.startswith("D"),
        mentioned=True,
        question=False,
        people=frozenset({asked.user}),
        aliases=(),
        team=asked.team,
    )
