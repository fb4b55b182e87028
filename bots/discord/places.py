"""The places where the bot may write, each with its way of refusing for good.

Sources of the limits: an interaction's token lives 15 minutes, and sends of a channel carry a nonce by which Discord
drops a repetition for some minutes. Rate limits and 5xx are waited out by discord.py; a connection that breaks is not.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import aiohttp
import discord

from bots.command import Button
from bots.discord.buttons import below
from bots.discord.render import LIMIT, length
from core.errors import FootnoteError, TransientError
from core.retry import retry

Result = TypeVar("Result")

TOKEN_LIFE = timedelta(minutes=14)
"""Of the 15 that Discord gives: a long answer shall not be cut in the middle."""

_REFUSALS = {
    10003: "the channel is gone",
    10008: "the message is gone",
    10015: "the interaction is over",
    10062: "the interaction is over",
    50001: "I may not see the channel",
    50007: "they take no direct messages from me",
    50013: "I may not write in the channel",
    50027: "the interaction is over",
    50083: "the thread is archived",
    160005: "the thread is locked",
    200000: "the server's AutoMod blocks the text",
    240000: "Discord's link filter blocks the text",
}
"""Discord's error codes that no repetition mends."""


class Closed(FootnoteError):
    """Nothing more can be written here."""


class Sent(Protocol):
    """A message that stands, and its id where Discord told it."""

    id: int

    async def edit(self, text: str) -> None:
        """Replace its text. Raises Closed or TransientError."""
        ...


class Place(Protocol):
    async def send(self, text: str, buttons: Sequence[Button] = ()) -> Sent:
        """Write one message of 1 to 2,000 characters. Raises Closed or TransientError."""
        ...


class InChannel:
    """A channel, a thread or a person. The first message replies to ``reference`` and begins with ``preface``."""

    def __init__(
        self,
        channel: discord.abc.Messageable,
        reference: discord.MessageReference | None = None,
        *,
        preface: str = "",
    ) -> None:
        self._channel = channel
        self._reference = reference
        self._preface = preface

    async def send(self, text: str, buttons: Sequence[Button] = ()) -> Sent:
        if self._preface and length(f"{self._preface}\n{text}") > LIMIT:
            await self._write(self._preface)
        elif self._preface:
            text = f"{self._preface}\n{text}"
        self._preface = ""
        return _ChannelMessage(await self._write(text, buttons))

    async def _write(self, text: str, buttons: Sequence[Button] = ()) -> discord.Message:
        reference, nonce = self._reference, secrets.randbits(63)
        more: dict[str, Any] = {"view": below(buttons)} if buttons else {}
        if reference is not None:
            more |= {"reference": reference, "mention_author": False}

        async def send() -> discord.Message:
            return await self._channel.send(text, nonce=nonce, suppress_embeds=True, **more)

        message = await _written(send)
        self._reference = None
        return message


class _ChannelMessage:
    def __init__(self, message: discord.Message) -> None:
        self.id = message.id
        self._message = message

    async def edit(self, text: str) -> None:
        await _written(lambda: self._message.edit(content=text))


class InInteraction:
    """The answer to a command: first the deferred message, then follow-ups of the same visibility."""

    def __init__(self, interaction: discord.Interaction[discord.Client], clock: Callable[[], datetime], *, private: bool) -> None:
        self._interaction = interaction
        self._clock = clock
        self._expires_at = clock() + TOKEN_LIFE
        self._private = private
        self._begun = False

    async def send(self, text: str, buttons: Sequence[Button] = ()) -> Sent:
        more: dict[str, Any] = {"view": below(buttons)} if buttons else {}
        if not self._begun:
            first = _Original(self)
            first.id = await self.edit_original(text, **more)
            self._begun = True
            return first
        self.require_token()
        # Without a nonce a follow-up whose answer was lost stands twice: better than a gap in the answer.
        message = await _written(
            lambda: self._interaction.followup.send(text, ephemeral=self._private, suppress_embeds=True, wait=True, **more)
        )
        return _FollowUp(self, message)

    async def edit_original(self, text: str, **more: Any) -> int:
        self.require_token()
        message = await _written(lambda: self._interaction.edit_original_response(content=text, **more))
        return message.id

    def require_token(self) -> None:
        if self._clock() >= self._expires_at:
            raise Closed("the interaction is over")


class _Original:
    def __init__(self, place: InInteraction) -> None:
        self.id = 0
        self._place = place

    async def edit(self, text: str) -> None:
        self.id = await self._place.edit_original(text)


class _FollowUp:
    def __init__(self, place: InInteraction, message: discord.WebhookMessage) -> None:
        self.id = message.id
        self._place = place
        self._message = message

    async def edit(self, text: str) -> None:
        self._place.require_token()
        await _written(lambda: self._message.edit(content=text))


async def _written(write: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat ``write`` while the connection breaks. Raises Closed, TransientError, or discord's own error of a bug."""

    async def attempt() -> Result:
        try:
            return await write()
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"Discord could not be reached ({type(error).__name__}).") from error

    try:
        return await retry(attempt, attempts=4, budget=60)
    except discord.HTTPException as error:
        if reason := _REFUSALS.get(error.code):
            raise Closed(reason) from error
        if error.status in {403, 404}:
            raise Closed(f"Discord refuses it with code {error.code}") from error
        if error.status == 429 or error.status >= 500:
            raise TransientError(f"Discord answered with status {error.status}.") from error
        raise
