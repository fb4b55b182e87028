"""A Slack event as what was heard, changed or given, or as nothing when it is not meant for us; what was heard as a Message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bots.questions import goes_on, is_farewell, is_question
from bots.slack.files import attached
from bots.slack.people import SLACKBOT
from core.models import Attachment, Message, Principal

_ANSWERED_SUBTYPES = {None, "file_share"}
"""All other subtypes are edits, deletions, joins, broadcasts, bots. A file with a question is a question."""
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_QUOTE = re.compile(r"^[ \t]*&gt;.*$", re.MULTILINE)
_REFERENCE = re.compile(r"<([^<>]+)>")
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_TS = re.compile(r"\d{10}\.\d{6}")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who we are in the workspace, as auth.test or its installation says."""

    team: str
    """Its id; that of the organisation (``E…``) where all of one is one installation."""
    user: str
    """Our user id, which people mention."""
    bot: str
    """Our bot id, which our messages carry."""
    realm: str = ""
    """Where there are several workspaces, ours stands before all ids that are unique only within one: nobody is anybody in
    another workspace by an equal id.
    """

    @property
    def organisation(self) -> bool:
        return self.team.startswith("E")

    def own(self, id: str) -> str:
        """A channel's or a person's id as it is known outside of the workspace: ``C1``, or ``T1:C1`` among several."""
        return f"{self.realm}:{id}" if self.realm else id

    def bare(self, own: str) -> str:
        """The id as Slack says it."""
        return own.removeprefix(f"{self.realm}:")

    def person(self, user: str) -> Principal:
        return f"slack:{self.own(user)}"

    def place(self, channel: str) -> Principal:
        return f"channel:slack:{self.own(channel)}"


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
    question: bool
    """It asks something, at the top of a channel and of nobody in particular."""
    people: frozenset[str]
    """Ids of the author and of everybody mentioned besides us."""
    aliases: tuple[str, ...]
    follow_up: bool = False
    """In a thread, and for us if that is a thread with us: something more is asked."""
    farewell: bool = False
    """In a thread we are told to stop, or to leave it."""
    team: str = ""
    """The workspace of the author, which Slack wants to know where it streams; empty where it does not say."""
    wording: str = ""
    """When it was edited to be so, as Slack's ts; empty as it was said first."""
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A person's message that now says something else, or is gone."""

    said: Heard
    """As it is now; as it was last when it is gone."""
    gone: bool

    @property
    def seconds(self) -> float:
        """From the message to its edit."""
        return float(self.said.wording or "inf") - float(self.said.ts)


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
    files: tuple[Attachment, ...] = ()
    """Those of the message that it was chosen for."""
    message: str | None = None
    """The ts of the message that the button stands in."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """What that message says; nothing where only one person sees it."""
    team: str = ""
    """As of Heard."""


def given(body: Mapping[str, Any]) -> Given:
    """A slash command. ``/footnote status`` is the command ``status``."""
    name, text = str(body["command"]).removeprefix("/"), str(body.get("text", "")).strip()
    return _given(text or "help" if name == "footnote" else f"{name} {text}", str(body["user_id"]), str(body["channel_id"]), body)


def pressed(body: Mapping[str, Any]) -> Given:
    """A button of ours, whose value is a command."""
    # Of a button that one person alone sees Slack sends no message, but its container.
    places = [body[place] for place in ("container", "message") if isinstance(body.get(place), Mapping)]
    thread = next((place["thread_ts"] for place in places if isinstance(place.get("thread_ts"), str)), None)
    said = _given(str(body["actions"][0]["value"]), str(body["user"]["id"]), str(body["channel"]["id"]), body, thread)
    said = replace(said, team=home(body["user"]))
    message = body.get("message")
    if not isinstance(message, Mapping):
        return said
    return replace(said, message=str(message["ts"]), blocks=tuple(message.get("blocks") or ()))


def chosen(body: Mapping[str, Any], me: Identity) -> Given:
    """A shortcut of ours from the menu of a message; its callback id is a command. What comes of it stands in its thread."""
    message, channel = body["message"], str(body["channel"]["id"])
    thread = str(message.get("thread_ts") or message["ts"])
    command = _given(str(body["callback_id"]), str(body["user"]["id"]), channel, body, thread)
    return replace(command, files=attached(message, channel, private=channel.startswith("D"), realm=me.realm))


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

    That is: ourselves, other bots, edits, deletions and all other subtypes, in a channel whatever neither mentions us nor is a
    question, and replies that begin by mentioning somebody else. Whether we are in the thread of a reply that does not mention
    us, and whether the channel wants its questions answered, remains to be asked.
    """
    event = body.get("event")
    if not isinstance(event, Mapping) or event.get("hidden") or event.get("edited"):
        return None
    said = _said(event, me, _aliases(body, event, me), home(event, body))
    return said if said is not None and _meant(said) else None


def changed(body: Mapping[str, Any], me: Identity) -> Changed | None:
    """What a ``message`` event tells of a person's message that might be meant for us: another text, or its deletion.

    Nothing of our own messages, of those of other bots, and of links that unfurl. Of a message that has replies Slack leaves
    a tombstone.
    """
    event = body.get("event")
    if not isinstance(event, Mapping):
        return None
    before, after = event.get("previous_message"), event.get("message")
    place = {"channel": event.get("channel"), "channel_type": event.get("channel_type")}
    if not isinstance(before, Mapping) or event.get("subtype") not in {"message_changed", "message_deleted"}:
        return None
    if event["subtype"] == "message_deleted" or (isinstance(after, Mapping) and after.get("subtype") == "tombstone"):
        said = _said({**before, **place}, me, ())
        return Changed(said=said, gone=True) if said is not None and _meant(said) else None
    edited = after.get("edited") if isinstance(after, Mapping) else None
    if not isinstance(after, Mapping) or not isinstance(edited, Mapping) or after.get("text") == before.get("text"):
        return None
    # Its other ids are those of the first wording, which was heard under them.
    said = _said({**after, **place}, me, _aliases(body, {}, me), home(after, body))
    wording = edited.get("ts")
    if said is None or not isinstance(wording, str) or not _TS.fullmatch(wording) or not _meant(said):
        return None
    return Changed(said=replace(said, wording=wording), gone=False)


def _said(event: Mapping[str, Any], me: Identity, aliases: tuple[str, ...], team: str = "") -> Heard | None:
    """What a person wrote; None for all others, and for what is no message."""
    user, channel, ts, text = (event.get(name) for name in ("user", "channel", "ts", "text"))
    if not (isinstance(user, str) and isinstance(channel, str) and isinstance(ts, str) and isinstance(text, str)):
        return None
    if event.get("bot_id") or event.get("bot_profile") or user in {me.user, SLACKBOT}:
        return None
    if event.get("subtype") not in _ANSWERED_SUBTYPES or not _TS.fullmatch(ts):
        return None
    thread = event.get("thread_ts")
    private = event.get("channel_type") == "im" or channel.startswith("D")
    mentioned = bool(_mention(me).search(_QUOTE.sub("", _CODE.sub("", text))))
    top = not isinstance(thread, str) or thread == ts
    plain = readable(text, me, {})
    return Heard(
        channel=channel,
        ts=ts,
        thread=ts if top else str(thread),
        user=user,
        text=text,
        private=private,
        mentioned=mentioned,
        question=top and not private and not mentioned and is_question(plain),
        follow_up=not top and goes_on(plain),
        farewell=not top and is_farewell(plain),
        people=frozenset({user, *_PERSON.findall(text)}) - {me.user},
        aliases=aliases,
        files=attached(event, channel, private=private, realm=me.realm),
        team=team,
    )


def _meant(said: Heard) -> bool:
    if said.private or said.mentioned or said.question:
        return True
    return (said.follow_up or said.farewell) and not _PERSON.match(said.text.lstrip())


def to_message(said: Heard, me: Identity, names: Mapping[str, str], *, addressed: bool = True, alone: bool = False) -> Message:
    """``names`` maps ids of people to what they are called; who is missing keeps the id. ``addressed`` as of Message; ``alone``:
    nobody else sees the answer, in a channel.
    """
    first = f"slack:{me.team}:{said.channel}:{said.ts}"
    conversation = f"slack:{me.team}:{said.channel}:{said.thread}"
    return Message(
        id=f"{first}:{said.wording}" if said.wording else first,
        platform="slack",
        # What one person alone is told is no part of what is said in the thread.
        conversation_id=f"{conversation}:{said.user}" if alone else conversation,
        channel_id=me.own(said.channel),
        user=me.person(said.user),
        user_name=names.get(said.user, said.user),
        text=readable(said.text, me, names),
        sent_at=datetime.fromtimestamp(float(said.ts), UTC),
        aliases=said.aliases,
        private=said.private or alone,
        addressed=addressed,
        replaces=first if said.wording else "",
        files=said.files,
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


def home(*told: Mapping[str, Any]) -> str:
    """The workspace of a person, by what Slack tells of what they did; it may say the organisation, or nothing."""
    teams = (said.get(name) for said in told for name in ("user_team", "team", "team_id"))
    return next((team for team in teams if isinstance(team, str) and team.startswith("T")), "")


def _aliases(body: Mapping[str, Any], event: Mapping[str, Any], me: Identity) -> tuple[str, ...]:
    ids = {"event": body.get("event_id"), "client_msg": event.get("client_msg_id")}
    return tuple(f"slack:{me.own(kind)}:{value}" for kind, value in ids.items() if isinstance(value, str) and value)
