"""The reply to a button that stands where there is no conversation: in a window that is open already."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from bots.command import Button, retry
from bots.slack.client import UNANSWERED, failure
from bots.slack.modals import Origin, told
from core.errors import FootnoteError
from core.models import Answer


class ToldReply:
    """Whatever is said takes the place of what the window showed."""

    def __init__(self, client: AsyncWebClient, view: str, origin: Origin) -> None:
        self._client = client
        self._view = view
        self._origin = origin

    async def working(self, before: int = 0) -> None:
        """The window is sign enough."""

    async def stream(self, text: str) -> None:
        """It is shown whole."""

    async def answer(self, answer: Answer) -> None:
        await self.say(answer.text)

    async def say(self, text: str) -> None:
        await self.offer(text, ())

    async def fail(self, text: str, again: str) -> None:
        await self.offer(text, retry(again))

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        try:
            await self._client.views_update(view_id=self._view, view=told(self._origin, text, buttons))
        except UNANSWERED as error:
            # Closed before it came: what the command did is done.
            raise FootnoteError(f"Slack did not show it in its window ({failure(error)}).") from error

    async def offer_private(self, answer_id: str) -> None:
        """Nobody else sees the window."""

    async def publish(self, answer: Answer) -> None:
        """There is nobody to publish to."""
        await self.say(answer.text)

    async def call(self, who: str, text: str, buttons: Sequence[Button]) -> None:
        """There is nobody who could be called to here."""
        await self.offer(text, ())

    async def settle(self, text: str) -> None:
        await self.say(text)

    async def show(self, text: str) -> None:
        await self.say(text)

    async def close(self) -> None:
        """Everything is shown already."""
