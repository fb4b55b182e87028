"""Posting, so that every message is seen once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bots.slack.client import PASSING, UNANSWERED, failure
from bots.slack.render import SlackMessage
from core.errors import FootnoteError, TransientError
from core.retry import retry

log = structlog.get_logger(__name__)

_METADATA = "footnote_reply"
_OUT_OF_REACH = {"not_in_channel", "channel_not_found", "is_archived", "no_permission", "restricted_action"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_NO_THREAD = "thread_not_found"
STILL_STREAMING = "streaming_state_conflict"
_BUDGET_SECONDS = 60.0
_PAGES = 10
"""Of a hundred messages, that are looked through for one of ours."""


class OutOfReachError(FootnoteError):
    """I cannot post in this channel: invite me with `/invite`, or ask me in a direct message."""


class GoneError(FootnoteError):
    """Somebody deleted the message."""


class _StreamingError(TransientError):
    """Slack does not let a message be changed while it streams."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands of a reply in its thread."""

    parts: Mapping[str, str]
    """The ts of each of its messages by key."""
    whole: bool
    """All of its messages are there, and final."""
    nameless: tuple[tuple[str, str], ...]
    """The ts and the text of our messages that carry no key: those that streamed."""

    def streamed(self, opening: str, *, others: Collection[str] = ()) -> str | None:
        """The ts of the message whose stream began with this text, and is none of the ``others``; Slack may have changed its
        markup, not its letters.
        """
        wanted = _letters(opening)
        found = (ts for ts, text in self.nameless if wanted and _letters(text).startswith(wanted) and ts not in others)
        return next(found, None)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


class Poster:
    """Writes messages. All failures are FootnoteErrors that name Slack's reason."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session

    async def post(self, message: SlackMessage, *, channel: str, thread: str | None, after: str, key: str, parts: int = 0) -> str:
        """Post once and return the ts, even if Slack's answer is lost: ``key`` is attached and looked for before a second try.

        ``after`` is the ts of a message that stands before it, from where it is looked for; ``parts`` is as of :meth:`replace`.
        """
        tried = False

        async def attempt() -> str:
            nonlocal tried
            try:
                if tried and (found := (await self._look(channel, thread, after, key)).parts.get(key)):
                    return found
                tried = True
                response = await self._client.chat_postMessage(
                    channel=channel, thread_ts=thread, metadata=_metadata(key, parts), **message.arguments()
                )
            except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
                raise _explained(error) from error
            return str(response["ts"])

        return await retry(attempt, attempts=4, budget=_BUDGET_SECONDS)

    async def standing(self, *, channel: str, thread: str | None, after: str, key: str) -> Standing:
        """What is there of the reply whose messages' keys begin with ``key``, behind the message ``after``."""

        async def attempt() -> Standing:
            try:
                return await self._look(channel, thread, after, key)
            except UNANSWERED as error:
                raise _explained(error) from error

        return await retry(attempt, attempts=4, budget=_BUDGET_SECONDS)

    async def authors(self, *, channel: str, thread: str, after: str) -> AsyncIterator[str]:
        """Who wrote the messages of a thread behind the message ``after``, one by one."""
        try:
            async for message in self._messages(channel, thread, after):
                yield str(message.get("user", ""))
        except UNANSWERED as error:
            raise _explained(error) from error

    async def _look(self, channel: str, thread: str | None, after: str, key: str) -> Standing:
        ours: dict[str, str] = {}
        wanted = 0
        nameless: list[tuple[str, str]] = []
        async for message in self._messages(channel, thread, after):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            named = str(payload.get("key", ""))
            if named.startswith(key):
                ours[named] = str(message["ts"])
                wanted = max(wanted, int(payload.get("parts", 0)))
            elif metadata.get("event_type") != _METADATA and message.get("bot_id"):
                nameless.append((str(message["ts"]), str(message.get("text", ""))))
        return Standing(parts=ours, whole=0 < wanted <= len(ours), nameless=tuple(nameless))

    async def _messages(self, channel: str, thread: str | None, after: str) -> AsyncIterator[Mapping[str, Any]]:
        where: dict[str, Any] = {"channel": channel, "oldest": after, "include_all_metadata": True, "limit": 100}
        for _ in range(_PAGES):
            try:
                if thread is None:
                    response = await self._client.conversations_history(**where)
                else:
                    response = await self._client.conversations_replies(ts=thread, **where)
            except SlackApiError as error:
                if failure(error) == _NO_THREAD:
                    # Its first message was deleted before anybody replied.
                    return
                raise
            messages: list[dict[str, Any]] = response.get("messages", [])
            for message in messages:
                yield message
            where["cursor"] = (response.get("response_metadata") or {}).get("next_cursor")
            if not where["cursor"]:
                return

    async def update(self, message: SlackMessage, *, channel: str, ts: str, **more: Any) -> None:
        """Raises GoneError when the message can no longer be edited."""
        try:
            await self._client.chat_update(channel=channel, ts=ts, **message.arguments(), **more)
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            raise _explained(error) from error

    async def replace(self, message: SlackMessage, *, channel: str, ts: str, key: str, parts: int, streaming: bool) -> None:
        """Make a message that grew the final one, or one of ``parts``; 0 while nothing in the thread is final.

        Slack lets nothing be changed while it streams, and a stream that it ended itself stays broken until its message is
        changed: so it is stopped first, whatever Slack says to that. Raises GoneError.
        """
        stopping = streaming

        async def attempt() -> None:
            nonlocal stopping
            if stopping:
                await self.stop(channel=channel, ts=ts)
            try:
                await self.update(message, channel=channel, ts=ts, metadata=_metadata(key, parts))
            except _StreamingError:
                stopping = True
                raise

        await retry(attempt, attempts=4, budget=_BUDGET_SECONDS)

    async def stop(self, *, channel: str, ts: str) -> None:
        """End a stream, if it is one and has not ended."""
        try:
            await self._client.chat_stopStream(channel=channel, ts=ts)
        except UNANSWERED as error:
            log.debug("stream.not_stopped", reason=failure(error))

    async def remove(self, *, channel: str, ts: str) -> bool:
        """Delete one of our messages; False when Slack does not."""
        try:
            await self._client.chat_delete(channel=channel, ts=ts)
        except UNANSWERED as error:
            log.info("message.not_removed", reason=failure(error))
            return failure(error) == "message_not_found"
        return True

    async def whisper(self, message: SlackMessage, *, channel: str, thread: str | None, user: str) -> None:
        """Show it to one person. Whether it was seen cannot be asked, so after a lost answer it is not repeated."""

        async def attempt() -> None:
            try:
                await self._client.chat_postEphemeral(channel=channel, thread_ts=thread, user=user, **message.arguments())
            except aiohttp.ClientConnectorError as error:
                raise _explained(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("notice.unconfirmed", reason=failure(error))
            except SlackApiError as error:
                raise _explained(error) from error

        await retry(attempt, attempts=3, budget=_BUDGET_SECONDS)

    async def respond(self, message: SlackMessage, response_url: str, thread: str | None) -> None:
        """Show it to the person who gave a command, through the address that came with it."""
        where = {"thread_ts": thread} if thread else {}
        webhook = AsyncWebhookClient(response_url, session=self._session, retry_handlers=[])

        async def attempt() -> None:
            try:
                response = await webhook.send_dict(
                    {"response_type": "ephemeral", "replace_original": False} | where | message.arguments()
                )
            except aiohttp.ClientConnectorError as error:
                raise _explained(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                log.warning("notice.unconfirmed", reason=failure(error))
                return
            if response.status_code == 429 or response.status_code >= 500:
                wait = response.headers.get("Retry-After", "")
                raise TransientError(
                    f"Slack answered {response.status_code} to a notice", retry_after=float(wait) if wait.isdigit() else None
                )
            if response.status_code != 200:
                raise FootnoteError(f"Slack refused a notice with {response.status_code} {response.body[:80]!r}")

        await retry(attempt, attempts=3, budget=_BUDGET_SECONDS)


def _metadata(key: str, parts: int) -> dict[str, Any]:
    return {"event_type": _METADATA, "event_payload": {"key": key} | ({"parts": parts} if parts else {})}


def _explained(error: Exception) -> FootnoteError:
    reason = failure(error)
    if reason == STILL_STREAMING:
        return _StreamingError()
    if not isinstance(error, SlackApiError) or reason.isdigit() or reason in PASSING:
        return TransientError(f"Slack did not answer ({reason}).")
    if reason in _OUT_OF_REACH:
        return OutOfReachError()
    if reason in _GONE:
        return GoneError()
    return FootnoteError(f"Slack refused with `{reason}`.")
