"""Messages that stream, and sessions of an agent, as strict about their states as Slack.

As measured and documented: a stream ends some time after its start, however busy it is; while it streams its message can neither
be changed nor deleted; once it ended nothing can be appended to it, nor can it be stopped once more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.slack_rules import TEXT, Refused, refusal
from tests.emulators.slack_workspace import Channel, Post, Workspace

MARKDOWN = 12_000
"""Characters of Markdown in one call, and in one message."""
TITLE = 200
_CHUNKS = {"markdown_text", "task_update", "plan_update", "blocks"}
_STATUSES = {"processing", "active", "suspended", "closed"}
_PINGS = re.compile(r"<[@!#]|@(?:channel|here|everyone)\b", re.IGNORECASE)
_LINKS = re.compile(r"\]\(|!\[|\]:|<[a-z][a-z0-9+.-]*:|[a-z][a-z0-9+.-]*://|www\.\w|mailto:\w|&#?\w+;", re.IGNORECASE)


@dataclass
class Stream:
    """``pieces`` are what was appended, with the times in seconds of the monotonic clock."""

    post: Post
    began: float = field(default_factory=time.monotonic)
    pieces: list[tuple[float, str]] = field(default_factory=list)
    ended: str = ""
    """By whom: ``app``, ``slack`` or ``user``; nothing while it streams."""


class Streams:
    def __init__(self, workspace: Workspace, *, life: float = 300.0) -> None:
        self.life = life
        """Seconds after which Slack ends a stream."""
        self.refused_in: dict[str, str] = {}
        """The error with which streams are refused, by channel; ``*`` for all."""
        self.sessions: dict[tuple[str, str], str] = {}
        """Status by channel and thread."""
        self.titles: dict[tuple[str, str], str] = {}
        self.stoppable = True
        """Whether the app is subscribed to ``agent_session_stopped``."""
        self.flaws: list[str] = []
        self.warnings: list[str] = []
        self.on_post: Callable[[Post], None] = lambda post: None
        self.all: list[Stream] = []
        self._workspace = workspace

    @property
    def open(self) -> list[Stream]:
        there = {id(post) for post in self._workspace.posts}
        return [stream for stream in self.all if id(stream.post) in there and not self._over(stream)]

    def of(self, post: Post) -> Stream | None:
        return next((stream for stream in self.all if stream.post is post), None)

    def guard(self, post: Post, error: str) -> None:
        """Refuse with ``error`` what may not be done to a message that streams."""
        stream = self.of(post)
        if stream is not None and not self._over(stream):
            raise Refused(error)

    def press_stop(self, channel: str, thread: str) -> list[str]:
        """End the streams of a session; their ts."""
        stopped = [stream for stream in self.open if (stream.post.channel, stream.post.root) == (channel, thread)]
        for stream in stopped:
            stream.ended = "user"
        return [stream.post.ts for stream in stopped]

    # chat.*Stream

    def start(self, channel: Channel, thread: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        if error := self.refused_in.get(channel.id, self.refused_in.get("*")):
            raise Refused(error)
        if thread is None:
            raise Refused("invalid_arguments")
        if channel.kind != "im":
            self._recipient(channel, arguments)
        text = self._text(arguments)
        home = self._workspace.home
        post = self._workspace.write(channel.id, home.bot_user, text, thread_ts=thread, bot_id=home.bot)
        self._workspace.statuses.pop((channel.id, thread), None)
        self.all.append(Stream(post, pieces=[(time.monotonic(), text)] if text else []))
        self.on_post(post)
        return {"channel": channel.id, "ts": post.ts}

    def append(self, channel: Channel, arguments: dict[str, Any]) -> dict[str, Any]:
        stream = self._streaming(channel, arguments)
        text = self._text(arguments)
        if not text and not arguments.get("chunks"):
            raise Refused("no_text")
        if len(stream.post.text) + len(text) > MARKDOWN:
            raise Refused("msg_too_long")
        stream.post.text += text
        stream.pieces.append((time.monotonic(), text))
        self._look_at(stream.post.text)
        return {"channel": channel.id, "ts": stream.post.ts}

    def stop(self, channel: Channel, arguments: dict[str, Any]) -> dict[str, Any]:
        stream = self._streaming(channel, arguments)
        text, blocks = self._text(arguments), arguments.get("blocks")
        if len(stream.post.text) + len(text) > MARKDOWN:
            raise Refused("msg_too_long")
        if blocks is not None and (error := refusal({"blocks": blocks, "metadata": arguments.get("metadata")})):
            raise Refused(error)
        if status := arguments.get("session_status"):
            self._set(stream.post.channel, stream.post.root, str(status))
        stream.post.text += text
        stream.post.blocks = list(blocks or [])
        stream.post.metadata = arguments.get("metadata") or stream.post.metadata
        stream.ended = "app"
        return {"channel": channel.id, "ts": stream.post.ts, "message": stream.post.payload()}

    def _recipient(self, channel: Channel, arguments: dict[str, Any]) -> None:
        for name in ("recipient_user_id", "recipient_team_id"):
            if not arguments.get(name):
                raise Refused(f"missing_{name}")
        if arguments["recipient_user_id"] not in self._workspace.members(channel):
            raise Refused("user_not_in_channel")
        if arguments["recipient_team_id"] != self._workspace.home.team:
            raise Refused("team_not_found")

    def _streaming(self, channel: Channel, arguments: dict[str, Any]) -> Stream:
        post = self._workspace.find(channel.id, str(arguments.get("ts")))
        if post is None:
            raise Refused("message_not_found")
        if post.bot_id != self._workspace.home.bot:
            raise Refused("message_not_owned_by_app")
        stream = self.of(post)
        if stream is not None and stream.ended == "user":
            raise Refused("stopped_by_user")
        if stream is None or self._over(stream):
            raise Refused("message_not_in_streaming_state")
        return stream

    def _over(self, stream: Stream) -> bool:
        if not stream.ended and time.monotonic() - stream.began > self.life:
            stream.ended = "slack"
        return bool(stream.ended)

    def _text(self, arguments: dict[str, Any]) -> str:
        text, chunks = arguments.get("markdown_text"), arguments.get("chunks")
        if text is not None and chunks is not None:
            raise Refused("cannot_provide_both_markdown_text_and_chunks")
        if chunks is not None:
            if not isinstance(chunks, list) or any(chunk.get("type") not in _CHUNKS for chunk in chunks):
                raise Refused("invalid_chunks")
            text = "".join(str(chunk["text"]) for chunk in chunks if chunk["type"] == "markdown_text")
        text = str(text or "")
        if len(text) > min(MARKDOWN, TEXT):
            raise Refused("msg_too_long")
        self._look_at(text)
        return text

    def _look_at(self, text: str) -> None:
        """Before the footnotes are known nothing may link, load or ping."""
        for found in (_PINGS.search(text), _LINKS.search(text)):
            if found:
                self.flaws.append(f"streamed {found.group()!r} in {text[max(0, found.start() - 40) : found.end() + 40]!r}")

    # agents.sessions.*

    def set_status(self, channel: Channel, arguments: dict[str, Any]) -> dict[str, Any]:
        thread, status = self._session(channel, arguments), str(arguments.get("status"))
        title = str(arguments.get("title") or "")
        if len(title) > TITLE:
            raise Refused("title_too_long")
        new = (channel.id, thread) not in self.sessions
        self._set(channel.id, thread, status)
        if new:
            self.titles[channel.id, thread] = title
        if not self.stoppable:
            self.warnings.append("agents.sessions.setStatus: missing_agent_session_stopped_event_subscription")
        return {"status": status, "agent_status": status, "title": self.titles.get((channel.id, thread), "")}

    def rename(self, channel: Channel, arguments: dict[str, Any]) -> dict[str, Any]:
        thread, title = self._session(channel, arguments), arguments.get("title")
        if not isinstance(title, str) or not 0 < len(title) <= TITLE:
            raise Refused("invalid_arguments")
        if (channel.id, thread) not in self.sessions:
            raise Refused("session_not_found")
        self.titles[channel.id, thread] = title
        return {"title": title}

    def _session(self, channel: Channel, arguments: dict[str, Any]) -> str:
        root = self._workspace.find(channel.id, str(arguments.get("thread_ts")))
        if root is None or root.root != root.ts:
            raise Refused("invalid_thread_ts")
        return root.ts

    def _set(self, channel: str, thread: str, status: str) -> None:
        if status not in _STATUSES:
            raise Refused("invalid_status")
        self.sessions[channel, thread] = status
