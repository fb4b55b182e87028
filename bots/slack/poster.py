"""Posting, so that every message is seen once."""

from __future__ import annotations

from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bots.slack.client import failure
from bots.slack.render import SlackMessage
from core.errors import FootnoteError, TransientError
from core.retry import retry

log = structlog.get_logger(__name__)

_METADATA = "footnote_reply"
_OUT_OF_REACH = {"not_in_channel", "channel_not_found", "is_archived", "no_permission", "restricted_action"}
_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
_PASSING = {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
"""Slack says so of itself with status 200, too."""
_BUDGET_SECONDS = 60.0


class OutOfReachError(FootnoteError):
    """I cannot post in this channel: invite me with `/invite`, or ask me in a direct message."""


class GoneError(FootnoteError):
    """Somebody deleted the message."""


class Poster:
    """Writes messages. All failures are FootnoteErrors that name Slack's reason."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self._client = client
        self._session = session

    async def post(self, message: SlackMessage, *, channel: str, thread: str | None, after: str, key: str) -> str:
        """Post once and return the ts, even if Slack's answer is lost: ``key`` is attached and looked for before a second try.

        ``after`` is the ts of a message that stands before it, from where it is looked for.
        """
        metadata = {"event_type": _METADATA, "event_payload": {"key": key}}
        tried = False

        async def attempt() -> str:
            nonlocal tried
            try:
                if tried and (found := await self._find(channel, thread, after, key)):
                    return found
                tried = True
                response = await self._client.chat_postMessage(
                    channel=channel, thread_ts=thread, metadata=metadata, **message.arguments()
                )
            except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
                raise _explained(error) from error
            return str(response["ts"])

        return await retry(attempt, attempts=4, budget=_BUDGET_SECONDS)

    async def _find(self, channel: str, thread: str | None, after: str, key: str) -> str | None:
        where: dict[str, Any] = {"channel": channel, "oldest": after, "include_all_metadata": True, "limit": 100}
        if thread is None:
            response = await self._client.conversations_history(**where)
        else:
            response = await self._client.conversations_replies(ts=thread, **where)
        messages: list[dict[str, Any]] = response.get("messages", [])
        found = (m["ts"] for m in messages if m.get("metadata", {}).get("event_payload", {}).get("key") == key)
        return next(found, None)

    async def update(self, message: SlackMessage, *, channel: str, ts: str) -> None:
        """Raises GoneError when the message can no longer be edited."""
        try:
            await self._client.chat_update(channel=channel, ts=ts, **message.arguments())
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            raise _explained(error) from error

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


def _explained(error: Exception) -> FootnoteError:
    reason = failure(error)
    if not isinstance(error, SlackApiError) or reason.isdigit() or reason in _PASSING:
        return TransientError(f"Slack did not answer ({reason}).")
    if reason in _OUT_OF_REACH:
        return OutOfReachError()
    if reason in _GONE:
        return GoneError()
    return FootnoteError(f"Slack refused with `{reason}`.")
