"""A Slack event as a Message, or as nothing when it is not meant for us; a command or a button as what was given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bots.slack.people import SLACKBOT
from core.models import Message

_ANSWERED_SUBTYPES = {None, "file_share"}
"""All other subtypes are edits, deletions, joins, broadcasts, bots. A file with a question is a question."""
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_QUOTE = re.compile(r"^[ \t]*&gt;.*$", re.MULTILINE)
_REFERENCE = re.compile(r"<([^<>]+)>")
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who we are in the workspace, as auth.test says."""

    team: str
    user: str
    """Our user id, which people mention."""
    bot: str
    """Our bot id, which our messages carry."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a person wrote where we can read it. ``text`` is as Slack sends it."""

    channel: str
    ts: str
    thread: str
    """The ts of the thread's first message, which may be this one."""
    user: str
    text: str
    private: bool
    """In a direct message."""
    mentioned: bool
    """We are mentioned, outside of code and quotes."""
    people: frozenset[str]
    """Ids of the author and of everybody mentioned besides us."""
    aliases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A command, typed or as a button that was pressed."""

    name: str
    text: str
    user: str
    channel: str
    thread: str | None
    """The ts of the first message of the thread that the button stands in. Of a typed command Slack never says it."""
    response_url: str
    trigger: str
    """Unique for each time it is given."""


def given(body: Mapping[str, Any]) -> Given:
    """A slash command. ``/footnote status`` is the command ``status``."""
    name, text = str(body["command"]).removeprefix("/"), str(body.get("text", "")).strip()
    return _given(text or "help" if name == "footnote" else f"{name} {text}", str(body["user_id"]), str(body["channel_id"]), body)


def pressed(body: Mapping[str, Any]) -> Given:
    """A button of ours, whose value is a command."""
    # Of a button that one person alone sees Slack sends no message, but its container.
    places = [body[place] for place in ("container", "message") if isinstance(body.get(place), Mapping)]
    thread = next((place["thread_ts"] for place in places if isinstance(place.get("thread_ts"), str)), None)
    return _given(str(body["actions"][0]["value"]), str(body["user"]["id"]), str(body["channel"]["id"]), body, thread)


def _given(line: str, user: str, channel: str, body: Mapping[str, Any], thread: str | None = None) -> Given:
    name, _, text = line.partition(" ")
    return Given(
        name=name.lower(),
        text=text.strip(),
        user=user,
        channel=channel,
        thread=thread,
        response_url=str(body["response_url"]),
        trigger=str(body["trigger_id"]),
    )


def hear(body: Mapping[str, Any], me: Identity) -> Heard | None:
    """What an ``app_mention`` or ``message`` event says to us; None for what must stay unanswered.

    That is: ourselves, other bots, edits, deletions and all other subtypes, and in a channel whatever neither mentions us
    nor stands in a thread, and replies that begin by mentioning somebody else. Whether we are in the thread of a reply
    that does not mention us remains to be asked.
    """
    event = body.get("event")
    if not isinstance(event, Mapping):
        return None
    user, channel, ts, text = (event.get(name) for name in ("user", "channel", "ts", "text"))
    if not (isinstance(user, str) and isinstance(channel, str) and isinstance(ts, str) and isinstance(text, str)):
        return None
    if event.get("bot_id") or event.get("bot_profile") or user in {me.user, SLACKBOT}:
        return None
    if event.get("subtype") not in _ANSWERED_SUBTYPES or event.get("hidden") or event.get("edited"):
        return None
    if not re.fullmatch(r"\d+\.\d+", ts):
        return None
    thread = event.get("thread_ts")
    said = Heard(
        channel=channel,
        ts=ts,
        thread=thread if isinstance(thread, str) else ts,
        user=user,
        text=text,
        private=event.get("channel_type") == "im" or channel.startswith("D"),
        mentioned=bool(_mention(me).search(_QUOTE.sub("", _CODE.sub("", text)))),
        people=frozenset({user, *_PERSON.findall(text)}) - {me.user},
        aliases=_aliases(body, event),
    )
    if said.private or said.mentioned:
        return said
    to_somebody_else = _PERSON.match(text.lstrip())
    return None if said.thread == ts or to_somebody_else else said


def to_message(said: Heard, me: Identity, names: Mapping[str, str]) -> Message:
    """``names`` maps ids of people to what they are called; who is missing keeps the id."""
    return Message(
        id=f"slack:{me.team}:{said.channel}:{said.ts}",
        platform="slack",
        conversation_id=f"slack:{me.team}:{said.channel}:{said.thread}",
        channel_id=said.channel,
        user=f"slack:{said.user}",
        user_name=names.get(said.user, said.user),
        text=readable(said.text, me, names),
        sent_at=datetime.fromtimestamp(float(said.ts), UTC),
        aliases=said.aliases,
        private=said.private,
    )


def readable(text: str, me: Identity, names: Mapping[str, str]) -> str:
    """Slack's markup as plain text: our mention gone, people by name, links by their text, entities decoded."""

    def shown(found: re.Match[str]) -> str:
        target, _, label = found.group(1).partition("|")
        kind, name = target[0], target[1:]
        if kind == "@":
            return f"@{label or names.get(name, name)}"
        if kind == "#":
            return f"#{label or name}"
        if kind == "!":
            return label or f"@{name.partition('^')[0]}"
        return label or target.removeprefix("mailto:")

    text = re.sub(rf"[ \t]*{_mention(me).pattern}[:,]?[ \t]*", " ", text)
    text = _REFERENCE.sub(shown, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _mention(me: Identity) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(me.user)}(?:\|[^>]*)?>")


def _aliases(body: Mapping[str, Any], event: Mapping[str, Any]) -> tuple[str, ...]:
    ids = {"event": body.get("event_id"), "client_msg": event.get("client_msg_id")}
    return tuple(f"slack:{kind}:{value}" for kind, value in ids.items() if isinstance(value, str) and value)
