"""An answer that is read while it is written: one message in the thread that grows, natively where Slack lets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bots.pending import Spot
from bots.slack.allowance import Allowance
from bots.slack.client import UNANSWERED, failure, refused, retry_after
from bots.slack.place import Place
from bots.slack.poster import GoneError, Poster
from bots.slack.render import render_card
from bots.slack.status import Status
from bots.slack.taming import Tamed
from core.errors import FootnoteError, TransientError

log = structlog.get_logger(__name__)

HESITATION_SECONDS = 0.05
"""Before the first text is shown: an answer that is whole by then is posted at once, without a stream."""
LIFE_SECONDS = 240.0
"""Slack ends a stream about 300 s after its start, however busy it is (slackapi/python-slack-sdk#1859)."""
_APPENDED_SECONDS, _EDITED_SECONDS = 0.5, 1.5
_REFUSED_SECONDS = 3600.0
"""For so long a channel, or a workspace, that does not let us stream is not asked again."""
_PIECE, _MOST = 4_000, 11_000
"""Characters in one call and in one stream: Slack takes 12,000 of Markdown in a message. The rest comes with the answer."""
_OPENING = 80
"""Characters of its beginning by which a stream is known whose ts was lost."""
_NOT_IN_CHANNEL = {"channel_type_not_supported", "method_not_supported_for_channel_type"}
_NOT_AT_ALL = {"unknown_method", "missing_scope", "feature_not_enabled", "not_allowed_token_type", "access_denied"}
_ENDED = "message_not_in_streaming_state"
_STOPPED = "stopped_by_user"

Stopped = Callable[[], Awaitable[object]]


class Streams:
    """What the streams of a workspace share: what Slack allows, and where it does not.

    chat.startStream is of Slack's tier 2 (20 a minute in a workspace), chat.appendStream of tier 4 (100), chat.update of tier 3
    (50): https://docs.slack.dev/apis/web-api/rate-limits. An answer that finds none left is posted when it is whole.
    """

    def __init__(
        self,
        hasty: AsyncWebClient,
        poster: Poster,
        team: str,
        *,
        life: float = LIFE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``hasty`` does not retry: a repeated append would be read twice. ``life`` in seconds."""
        self.client = hasty
        self.poster = poster
        self.team = team
        self.life = life
        self.clock = clock
        self.starts = Allowance(burst=20, per_minute=20, clock=clock)
        self.appends = Allowance(burst=25, per_minute=75, clock=clock)
        self.edits = Allowance(burst=15, per_minute=30, clock=clock)
        self.growing: set[str] = set()
        """The ts of messages that are being written here."""
        self._refused: dict[str, float] = {}

    def allowed(self, channel: str) -> bool:
        return all(self._refused.get(place, 0.0) <= self.clock() for place in ("", channel))

    def refuse(self, channel: str = "") -> None:
        """Slack does not stream in this channel; nowhere without one."""
        self._refused[channel] = self.clock() + _REFUSED_SECONDS


class _How(Enum):
    NOT_YET = auto()
    STREAMED = auto()
    EDITED = auto()
    NO_MORE = auto()
    """The final answer alone will change it."""


class StreamedMessage:
    """The one message of an answer that grows. Nothing here raises but :meth:`end`, and nobody waits for Slack but there."""

    def __init__(self, streams: Streams, place: Place, key: str, spot: Spot, status: Status, stopped: Stopped) -> None:
        """``spot`` is told what comes to stand there, so that another process can finish it; ``stopped`` is called when Slack
        says that somebody pressed Stop.
        """
        self.ts = spot.fields.get("stream") or None
        self.open = self.ts is not None
        """Whether it may be streaming still: then it has to be stopped before it can be changed."""
        self.unclear = False
        """Whether there may be a message whose ts is not known."""
        self._streams = streams
        self._place = place
        self._key = key
        self._spot = spot
        self._status = status
        self._stopped = stopped
        self._opening = spot.fields.get("opening", "")
        self._how = _How.NOT_YET
        if self._opening:
            # Another process began it. What it wrote stays until the answer is there.
            self.unclear, self._how = self.ts is None, _How.NO_MORE
        self._taming = Tamed()
        self._text = self._tamed = ""
        self._sent = 0
        self._began = 0.0
        self._more = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._call: asyncio.Task[None] | None = None

    def feed(self, text: str) -> None:
        if self._how is _How.NO_MORE:
            return
        self._text += text
        self._tamed += self._taming.feed(text)
        if self._tamed.strip():
            self._more.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def end(self) -> str | None:
        """Write no more: the ts of the message that stands there, if there is one. Raises TransientError when there may be one
        that cannot be looked for.
        """
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        if self._call is not None:
            # Whether a call that is on its way takes effect could not be known.
            await asyncio.wait({self._call})
        self._how = _How.NO_MORE
        if self.ts is None and self.unclear:
            await self._look()
        return self.ts

    async def close(self) -> None:
        """Leave no stream open behind an answer that did not come."""
        try:
            # A stream that is just beginning is open when it has begun.
            if self._writing is not None and (ts := await self.end()) and self.open:
                await self._streams.poster.stop(channel=self._place.channel, ts=ts)
        except TransientError as error:
            log.warning("stream.left_open", reason=str(error))
        finally:
            self._streams.growing.discard(self.ts or "")

    async def _write(self) -> None:
        try:
            await asyncio.sleep(HESITATION_SECONDS)
            await self._more.wait()
            await self._whole(self._begin())
            while self._how is not _How.NO_MORE:
                await self._write_more()
        except Exception:
            # What is shown early is shown finally, too.
            log.exception("stream.failed")
            self._how = _How.NO_MORE

    async def _write_more(self) -> None:
        streamed = self._how is _How.STREAMED
        await asyncio.sleep(_APPENDED_SECONDS if streamed else _EDITED_SECONDS)
        try:
            async with asyncio.timeout(self._left() if streamed else None):
                await self._more.wait()
                await (self._streams.appends if streamed else self._streams.edits).wait()
        except TimeoutError:
            self._how = _How.EDITED
            self._more.set()
            return
        self._more.clear()
        await self._whole(self._append() if streamed else self._edit())

    async def _whole(self, call: Coroutine[Any, Any, None]) -> None:
        """Not cut in two by :meth:`end`."""
        self._call = asyncio.create_task(call)
        await asyncio.shield(self._call)

    def _left(self) -> float:
        return max(0.0, self._began + self._streams.life - self._streams.clock())

    async def _begin(self) -> None:
        self._more.clear()
        # No status of ours may arrive after the message, which clears it.
        await self._status.settle()
        if not self._streams.allowed(self._place.channel):
            self._how = _How.EDITED
            await self._edit()
        elif self._streams.starts.take():
            self._how = _How.NO_MORE
        else:
            await self._start()

    async def _start(self) -> None:
        place, streams = self._place, self._streams
        piece = self._tamed[:_PIECE]
        self._opening = piece[:_OPENING]
        await self._spot.note(opening=self._opening)
        self._began = streams.clock()
        try:
            response = await streams.client.chat_startStream(
                channel=place.channel,
                thread_ts=place.thread,
                markdown_text=piece,
                recipient_user_id=None if place.private else place.user,
                recipient_team_id=None if place.private else place.team or streams.team,
            )
            self.ts = str(response["ts"])
        except UNANSWERED as error:
            await self._not_started(error)
            return
        streams.growing.add(self.ts)
        self.open, self._how, self._sent = True, _How.STREAMED, len(piece)
        self._status.replaced()
        if self._sent < len(self._tamed):
            self._more.set()
        await self._spot.note(stream=self.ts)

    async def _not_started(self, error: Exception) -> None:
        reason = failure(error)
        log.info("stream.not_started", reason=reason)
        self._how = _How.NO_MORE
        if reason in _NOT_IN_CHANNEL | _NOT_AT_ALL:
            self._streams.refuse(self._place.channel if reason in _NOT_IN_CHANNEL else "")
            self._how = _How.EDITED
            await self._edit()
        elif _limited(reason):
            self._streams.starts.pause(retry_after(error))
        elif not refused(error):
            self.unclear = True
            await self._look()
            if self.ts is not None:
                self._how = _How.EDITED

    async def _append(self) -> None:
        piece = self._tamed[self._sent : self._sent + _PIECE]
        if self._sent + len(piece) > _MOST:
            self._how = _How.NO_MORE
            return
        try:
            await self._streams.client.chat_appendStream(channel=self._place.channel, ts=self.ts or "", markdown_text=piece)
        except UNANSWERED as error:
            await self._not_appended(error)
            return
        self._sent += len(piece)
        if self._sent < len(self._tamed):
            self._more.set()

    async def _not_appended(self, error: Exception) -> None:
        reason = failure(error)
        log.info("stream.not_appended", reason=reason)
        self._more.set()
        if _limited(reason):
            self._streams.appends.pause(retry_after(error))
            return
        self.open = reason not in {_ENDED, _STOPPED}
        # Where it is not known whether it was appended, it is not appended again: the whole text takes its place.
        self._how = _How.EDITED if reason == _ENDED or not refused(error) else _How.NO_MORE
        if reason == _STOPPED:
            await self._stopped()

    async def _edit(self) -> None:
        """The whole text so far takes the place of what stands there."""
        place, poster = self._place, self._streams.poster
        card = await asyncio.to_thread(render_card, self._text)
        try:
            if self.ts is None:
                self.unclear = True
                self.ts = await poster.post(
                    card, channel=place.channel, thread=place.thread, after=place.ts, key=f"{self._key}/0"
                )
                self.unclear = False
                self._status.replaced()
                await self._spot.note(stream=self.ts, opening=self._text[:_OPENING])
                return
            if self.open:
                await poster.stop(channel=place.channel, ts=self.ts)
                self.open = False
            await poster.update(card, channel=place.channel, ts=self.ts)
        except GoneError:
            self.ts, self._how = None, _How.NO_MORE
        except TransientError as error:
            log.info("stream.not_edited", reason=str(error))
            self._more.set()
        except FootnoteError as error:
            log.info("stream.not_edited", reason=str(error))
            self._how, self.unclear = _How.NO_MORE, False

    async def _look(self) -> None:
        """Find the message of which Slack did not say whether it is there."""
        place = self._place
        standing = await self._streams.poster.standing(
            channel=place.channel, thread=place.thread, after=place.ts, key=f"{self._key}/"
        )
        self.ts = standing.parts.get(f"{self._key}/0") or standing.streamed(self._opening, others=self._streams.growing)
        if self.ts is not None:
            self._streams.growing.add(self.ts)
            self.unclear, self.open = False, True
            await self._spot.note(stream=self.ts)


def _limited(reason: str) -> bool:
    return reason in {"ratelimited", "429"}
