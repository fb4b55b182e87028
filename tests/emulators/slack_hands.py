"""What people do with their hands in the emulated Slack: press buttons, fill in forms, look at the app's home."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from tests.emulators.slack_views import OpenView, action_on, container_of, missing
from tests.emulators.slack_web import ResponseUrl
from tests.emulators.slack_workspace import APP, Post, Whisper

if TYPE_CHECKING:
    from tests.emulators.slack_team import SlackTeam

HOME_OPENED = "app_home_opened"


class Hands:
    def __init__(self, server: SlackTeam, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._server = server
        self._start = start

    async def press(self, user: str, where: Whisper | Post | OpenView, label: str) -> str:
        """Press a button, or a side of feedback buttons; returns the id of its response_url."""
        id = uuid.uuid4().hex
        ts = self._server.workspace.next_ts()
        payload = self._interaction("block_actions", user, where if isinstance(where, OpenView) else None)
        if isinstance(where, OpenView):
            payload |= {"container": {"type": "view", "view_id": where.id}, "view": where.payload()}
            payload |= {"actions": [action_on(where.view["blocks"], label) | {"action_ts": ts}]}
        else:
            self._server.api.response_urls[id] = ResponseUrl(where.channel, user)
            payload |= {"channel": {"id": where.channel, "name": "general"}, **container_of(where, ts)}
            payload |= {"actions": [action_on(where.blocks, label) | {"action_ts": ts}]}
            payload |= {"response_url": f"{self._server.courier.base}/respond/{id}"}
        self._deliver(payload, id)
        return id

    async def submit(self, user: str, **values: Any) -> None:
        """Send the form before a person; what is not named keeps what it holds."""
        view = self._before(user)
        assert missing(view, values) == [], f"Slack's client asks for {missing(view, values)} first"
        del self._server.api.views.modals[view.id]
        payload = {"view": view.payload(values), "response_urls": []}
        self._deliver(self._interaction("view_submission", user) | payload, view.id)

    async def close(self, user: str) -> None:
        """Close the window before a person. Slack tells of it only where it was asked to."""
        view = self._before(user)
        del self._server.api.views.modals[view.id]
        if view.view.get("notify_on_close"):
            payload = {"view": view.payload(), "is_cleared": False}
            self._deliver(self._interaction("view_closed", user) | payload, view.id)

    async def open_home(self, user: str, tab: str = "home") -> None:
        """Look at the app's Home or Messages tab."""
        event = {"type": HOME_OPENED, "user": user, "channel": f"D{user}", "tab": tab}
        self._server.happened(event | {"event_ts": self._server.workspace.next_ts()})

    async def until_modal(self, user: str, shown: str = "") -> OpenView:
        """Wait until a window is before a person in which this can be read."""
        await self._server.until(
            lambda: (view := self._server.api.views.modal_of(user)) and shown in view.shown, what=f"a window before {user}"
        )
        return self._before(user)

    async def until_home(self, user: str) -> OpenView:
        homes = self._server.api.views.homes
        await self._server.until(lambda: user in homes, what=f"the home of {user}")
        return homes[user]

    def _before(self, user: str) -> OpenView:
        view = self._server.api.views.modal_of(user)
        assert view is not None, f"{user} has no window before them"
        return view

    def _interaction(self, type: str, user: str, view: OpenView | None = None) -> dict[str, Any]:
        home = self._server.workspace.home
        return {
            "type": type,
            "api_app_id": APP,
            "token": "verification",
            "team": home.told,
            "user": {"id": user, "username": self._server.workspace.users[user].name.lower(), "team_id": home.team},
            "is_enterprise_install": home.org_wide,
            "enterprise": home.enterprise,
            "trigger_id": self._server.api.views.trigger(user, view.id if view else None),
        }

    def _deliver(self, payload: dict[str, Any], id: str) -> None:
        self._start(self._server.courier.deliver("interactive", payload, id=id, retried=False))
