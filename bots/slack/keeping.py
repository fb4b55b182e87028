"""A message of a thread as it is kept: `keep`, chosen from its menu."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bots.slack.translate import Identity, readable

_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")


def named(body: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the people whom the message speaks of."""
    return frozenset(_PERSON.findall(str(body["message"].get("text", ""))))


def kept(body: Mapping[str, Any], me: Identity, names: Mapping[str, str]) -> str:
    """Its address and who sees it, and below what it says in plain text, which is what the command takes."""
    message, channel = body["message"], str(body["channel"]["id"])
    thread = str(message.get("thread_ts") or message["ts"])
    # Slack names no workspace where all of an organisation is one installation, and finds the message all the same.
    host = f"{body['team']['domain']}.slack.com" if body.get("team") else "slack.com"
    address = f"https://{host}/archives/{channel}/p{str(message['ts']).replace('.', '')}"
    return f"{address}?thread_ts={thread}&cid={channel} {me.place(channel)}\n{readable(str(message.get('text', '')), me, names)}"
