"""Who is in a workspace and in its channels, as Slack lists them: in pages, with a cursor."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.emulators.slack_rules import Refused
from tests.emulators.slack_workspace import Channel, Workspace

LIMIT = 999
"""``limit`` must be under 1,000."""
DEFAULT_MEMBERS = 100
UNPAGED_USERS = 1000
"""A larger workspace is not listed without a limit."""

T = TypeVar("T")


def members(workspace: Workspace, channel: Channel, arguments: dict[str, Any]) -> dict[str, Any]:
    """conversations.members"""
    return _page("members", workspace.members(channel), arguments, DEFAULT_MEMBERS)


def info(workspace: Workspace, channel: Channel) -> dict[str, Any]:
    """conversations.info"""
    base = {
        "id": channel.id,
        "created": int(time.time()),
        "is_archived": channel.archived,
        "is_im": channel.kind == "im",
        "is_org_shared": False,
        "is_mpim": channel.kind == "mpim",
        "context_team_id": workspace.home.team,
    }
    if channel.kind == "im":
        return {"channel": base | {"user": channel.id.removeprefix("D"), "is_user_deleted": False, "priority": 0}}
    shared = {
        "is_shared": channel.shared,
        "is_ext_shared": channel.shared,
        "is_pending_ext_shared": False,
        "shared_team_ids": [workspace.home.team, *(["T0OTHER"] if channel.shared else [])],
    }
    names = {"name": channel.id.lower(), "is_channel": channel.kind == "channel", "is_group": channel.kind == "group"}
    member = workspace.home.bot_user in workspace.members(channel)
    return {
        "channel": base | names | shared | {"is_private": channel.kind != "channel", "is_member": member, "is_general": False}
    }


def users(workspace: Workspace, arguments: dict[str, Any], *, with_email: bool) -> dict[str, Any]:
    """users.list: also the deactivated, and bots; nobody of another workspace."""
    ours = [user for user in workspace.users.values() if not user.foreign]
    if not arguments.get("limit") and len(ours) > UNPAGED_USERS:
        raise Refused("limit_required")
    found = _page("members", [user.profile(with_email=with_email) for user in ours], arguments, len(ours))
    return found | {"cache_ts": int(time.time())}


def by_email(workspace: Workspace, email: str) -> dict[str, Any]:
    """users.lookupByEmail: nobody who is deactivated, and nobody of another workspace."""
    found = [
        user
        for user in workspace.users.values()
        if user.email == email.lower() and not (user.foreign or user.flags.get("deleted"))
    ]
    if not found:
        raise Refused("users_not_found")
    return {"user": found[0].profile(with_email=True)}


def _page(name: str, rows: Sequence[T], arguments: dict[str, Any], default: int) -> dict[str, Any]:
    limit = int(arguments.get("limit") or 0)
    if not 0 <= limit <= LIMIT:
        raise Refused("invalid_limit")
    start = 0
    if cursor := arguments.get("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).removeprefix(b"at:"))
        except ValueError as error:
            raise Refused("invalid_cursor") from error
    end = start + (limit or default)
    following = base64.b64encode(b"at:%d" % end).decode() if end < len(rows) else ""
    return {name: list(rows[start:end]), "response_metadata": {"next_cursor": following}}
