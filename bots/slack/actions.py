"""What people press and fill in: buttons, feedback, forms, the App Home. Each is acknowledged at once, and nothing is kept in
memory for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from bots.commands.config import CONFIG, manager
from bots.platform import Groups
from bots.slack import modals
from bots.slack.asked import Asked, asked
from bots.slack.client import UNANSWERED, failure
from bots.slack.home import Home, render_home
from bots.slack.modals import Origin
from bots.slack.prompts import suggest
from bots.slack.render import ACTION, FEEDBACK, FOLLOW_UP
from bots.slack.told import ToldReply
from bots.slack.translate import Given, given, home, pressed
from bots.slack.workspace import Workspace
from core.channels import DEFAULT
from core.errors import FootnoteError, TransientError
from core.models import Audience, Principal, now
from core.principals import expand

if TYPE_CHECKING:
    from bots.overview import Overview, Shelf
    from core.channels import Channels

Find = Callable[[Mapping[str, Any]], Awaitable[Workspace]]
"""The workspace that a payload comes from."""
Run = Callable[[Workspace, Given, ToldReply | None], object]
"""Begin to run a command; without a reply, in the place where it was given."""
Ask = Callable[[Workspace, Asked], object]
"""Begin to answer a question that a button asked."""

log = structlog.get_logger(__name__)

_BUTTONS = re.compile(rf"^{ACTION}_\d+$")
_FORM_SECONDS = 2.0
"""For all that stands in a form: Slack opens it within three seconds or not at all."""
_WAIT = "One moment…"


class Actions:
    def __init__(
        self,
        find: Find,
        run: Run,
        ask: Ask,
        groups: Groups,
        *,
        admins: frozenset[Principal] = frozenset(),
        remembered_for: timedelta = timedelta(days=7),
        channels: Channels | None = None,
        overview: Overview | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """Without ``channels`` there is nothing to set, without an ``overview`` nothing to be seen at home."""
        self._find = find
        self._run = run
        self._ask = ask
        self._groups = groups
        self._admins = admins
        self._remembered_for = remembered_for
        self._channels = channels
        self._overview = overview
        self._clock = clock

    def listen(self, app: AsyncApp) -> None:
        app.action(_BUTTONS)(self._on_button)
        app.action(FEEDBACK)(self._on_feedback)
        app.view(modals.REASON_FORM)(self._on_reason)
        app.view({"type": "view_closed", "callback_id": modals.REASON_FORM})(self._on_no_reason)
        app.view(modals.CONFIG_FORM)(self._on_config)
        app.event("app_home_opened")(self._on_home)

    async def on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A slash command; the settings of a channel open as a form for whoever may change them."""
        await ack()
        workspace, said = await self._find(body), given(body)
        if said.name != CONFIG or said.text or not await self._configure(workspace, said):
            self._run(workspace, said, None)

    async def _on_button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        workspace = await self._find(body)
        if "view" in body:
            await self._in_view(workspace, body)
            return
        said = pressed(body)
        if said.name == FOLLOW_UP:
            self._ask(workspace, asked(said))
        else:
            self._run(workspace, said, None)

    async def _on_feedback(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        workspace, said = await self._find(body), pressed(body)
        answer_id, _, score = said.text.partition(" ")
        origin = Origin(channel=said.channel, response_url=said.response_url, thread=said.thread, answer=answer_id)
        if score != "bad" or not await _open(workspace, said.trigger, modals.reason_form(origin)):
            self._run(workspace, said, None)

    async def _on_reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._run(await self._find(body), _entered(body, modals.rated(body["view"])), None)

    async def _on_no_reason(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._run(await self._find(body), _entered(body, modals.unexplained(body["view"])), None)

    async def _on_config(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._run(await self._find(body), _entered(body, modals.configured(body["view"])), None)

    async def _configure(self, workspace: Workspace, said: Given) -> bool:
        """Whether the form is open. Who may not change anything is told what is set."""
        if self._channels is None:
            return False
        channel = workspace.me.own(said.channel)
        try:
            async with asyncio.timeout(_FORM_SECONDS):
                principals, config = await asyncio.gather(
                    workspace.audience.principals(said.user, said.channel), self._channels.of("slack", channel)
                )
                if not principals & {*self._admins, manager("slack", channel)}:
                    return False
                shelves = await self._shelves(await self._reader(principals))
        except (FootnoteError, TimeoutError) as error:
            log.info("form.not_opened", error=type(error).__name__)
            return False
        origin = Origin(channel=said.channel, response_url=said.response_url)
        names = {shelf.source for shelf in shelves or ()}
        return await _open(workspace, said.trigger, modals.config_form(config or DEFAULT, names, origin))

    async def _in_view(self, workspace: Workspace, body: Mapping[str, Any]) -> None:
        """A button at home asks in the direct messages, or shows what came of it in a window of its own."""
        view: Mapping[str, Any] = body["view"]
        origin = Origin.of(view)
        # It may be pressed again, unlike a form, which is sent once.
        said = replace(_entered(body, str(body["actions"][0]["value"])), trigger=str(body["trigger_id"]))
        if said.name == FOLLOW_UP:
            self._ask(workspace, asked(said))
            return
        shown = str(view["id"]) if view["type"] == "modal" else await _opened(workspace, said.trigger, modals.told(origin, _WAIT))
        if shown:
            self._run(workspace, said, ToldReply(workspace.client, shown, origin))

    async def _on_home(self, body: dict[str, Any]) -> None:
        event: Mapping[str, Any] = body["event"]
        if self._overview is None:
            return
        workspace, user, channel = await self._find(body), str(event["user"]), str(event["channel"])
        try:
            reader = await self._reader(await workspace.audience.principals(user, channel))
            questions = await self._overview.questions(reader)
            if event.get("tab") == "home":
                await self._publish(workspace, user, channel, reader, questions)
            else:
                await suggest(workspace.hasty, channel, questions)
        except FootnoteError as error:
            log.warning("home.not_shown", reason=str(error))

    async def _publish(self, workspace: Workspace, user: str, channel: str, reader: Audience, questions: list[str]) -> None:
        home = Home(
            user_name=(await workspace.people.find(user)).name,
            channel=channel,
            shelves=await self._shelves(reader),
            questions=questions,
            remembered_for=self._remembered_for,
            at=self._clock(),
        )
        try:
            await workspace.client.views_publish(user_id=user, view=render_home(home))
        except UNANSWERED as error:
            log.warning("home.not_published", reason=failure(error))

    async def _reader(self, principals: frozenset[Principal]) -> Audience:
        return Audience.of(expand(principals, await self._groups()))

    async def _shelves(self, reader: Audience) -> list[Shelf] | None:
        if self._overview is None:
            return None
        try:
            return await self._overview.shelves(reader)
        except TransientError as error:
            log.warning("overview.unknown", reason=str(error))
            return None


def _entered(body: Mapping[str, Any], line: str) -> Given:
    """What was said in a view of ours, in the place that it was opened from."""
    view: Mapping[str, Any] = body["view"]
    origin = Origin.of(view)
    name, _, text = line.partition(" ")
    return Given(
        name=name.lower(),
        text=text.strip(),
        user=str(body["user"]["id"]),
        channel=origin.channel,
        thread=origin.thread,
        response_url=origin.response_url,
        trigger=hashlib.sha256(f"{view['id']} {view.get('hash')} {line}".encode()).hexdigest()[:32],
        team=home(body["user"]),
    )


async def _open(workspace: Workspace, trigger: str, view: modals.View) -> bool:
    return bool(await _opened(workspace, trigger, view))


async def _opened(workspace: Workspace, trigger: str, view: modals.View) -> str:
    """The id of the window; empty when Slack does not open it."""
    try:
        answer = await workspace.hasty.views_open(trigger_id=trigger, view=view)
        return str(answer["view"]["id"])
    except UNANSWERED as error:
        log.warning("form.not_opened", reason=failure(error))
        return ""
