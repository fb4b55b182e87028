"""What Slack tells and what becomes of it: Bolt's listeners, each for the workspace that it is about."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from redis.asyncio import Redis
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bots.command import Command
from bots.command import CommandReply as CommandReplies
from bots.commands.reviewed import KEEP
from bots.commands.uploads import ADD
from bots.platform import Groups
from bots.slack.actions import Actions
from bots.slack.answering import Answering, Responds
from bots.slack.asked import Asked, first, put
from bots.slack.departures import Departures
from bots.slack.keeping import kept, named
from bots.slack.render import render_text
from bots.slack.reply import CommandReply
from bots.slack.running import Running
from bots.slack.stops import SlackStops
from bots.slack.translate import Given, changed, chosen, hear
from bots.slack.workspace import Workspace
from bots.slack.workspaces import OneWorkspace, Workspaces, ids
from core.errors import FootnoteError, TransientError
from core.settings import Settings

if TYPE_CHECKING:
    from bots.overview import Overview
    from core.channels import Channels

log = structlog.get_logger(__name__)

_RECENT_SECONDS = 3600.0
"""How far back a card is looked for; more than clocks differ."""
_KEPT_SECONDS = 0.8
"""Slack brings a question again, to another process if need be, until it is acknowledged: not before it is kept, or late."""
_MEMBERSHIP = re.compile(r"^(member_joined_channel|member_left_channel|channel_shared|channel_unshared)$")
_SAID = {"app_mention", "message"}
_COMMANDS = re.compile(r"^/(reindex|footnote)$")
_GONE = re.compile(r"^(app_uninstalled|tokens_revoked)$")
_GRANTED = re.compile(r"^team_access_(granted|revoked)$")
_PAUSED = "Footnote is paused in this workspace. Whoever runs it can say why, and you can ask them to install it again."
_SHORTCUTS = re.compile(rf"^({ADD}|{KEEP})$")


class Replies(CommandReplies, Protocol):
    """One that has to be closed."""

    async def close(self) -> None: ...


class Runs(Protocol):
    async def run(self, command: Command, reply: CommandReplies) -> None: ...


class Listeners:
    """``stopping`` tells whether new events are to go to another process, or be brought again."""

    def __init__(
        self,
        settings: Settings,
        workspaces: OneWorkspace | Workspaces,
        responder: Responds,
        commands: Runs,
        redis: Redis,
        groups: Groups,
        stops: SlackStops,
        *,
        answers: Running,
        running_commands: Running,
        stopping: Callable[[], bool],
        channels: Channels | None = None,
        overview: Overview | None = None,
        departures: Departures | None = None,
    ) -> None:
        self._settings = settings
        self._workspaces = workspaces
        self._responder = responder
        self._commands = commands
        self._redis = redis
        self._groups = groups
        self._stops = stops
        self._answers = answers
        self._running_commands = running_commands
        self._stopping = stopping
        self._channels = channels
        self._overview = overview
        self._departures = departures

    def app(self, client: AsyncWebClient) -> AsyncApp:
        """Bolt's, listening; ``client`` has no token of its own."""

        async def authorize(context: AsyncBoltContext) -> AuthorizeResult:
            workspace: Workspace = context["workspace"]
            me = workspace.me
            # Bolt would ask auth.test again for each of the first events; the answer is known.
            return AuthorizeResult(
                enterprise_id=None, team_id=me.team, bot_user_id=me.user, bot_id=me.bot, bot_token=workspace.client.token
            )

        async def enter_first(
            body: dict[str, Any], context: AsyncBoltContext, next: Callable[[], Awaitable[None]]
        ) -> BoltResponse | None:
            if _is_of_a_workspace(body):
                try:
                    workspace = await self._workspaces.find(body)
                except TransientError:
                    return BoltResponse(status=503)
                if workspace is None:
                    # Of what is paused one line was written.
                    log.debug("event.ignored", reason="its workspace is paused, or not installed", workspaces=ids(body))
                    return BoltResponse(status=200, body=_PAUSED if "command" in body else "")
                context["workspace"] = workspace
            await next()
            return None

        secret = self._settings.slack_signing_secret
        library_log = logging.getLogger("slack_bolt")
        # It would warn that SLACK_BOT_TOKEN, which it finds in the environment, is not used.
        library_log.disabled = True
        try:
            app = AsyncApp(
                name="footnote",
                logger=library_log,
                client=client,
                before_authorize=enter_first,
                authorize=authorize,
                signing_secret=secret.get_secret_value() if secret else "",
            )
        finally:
            library_log.disabled = False

        async def only_while_running(next: Callable[[], Awaitable[None]]) -> BoltResponse | None:
            if self._stopping():
                return BoltResponse(status=503)  # Not acknowledged, so Slack gives it to another process or again later.
            await next()
            return None

        async def hear_first(body: dict[str, Any], context: AsyncBoltContext, next: Callable[[], Awaitable[None]]) -> None:
            workspace: Workspace | None = context.get("workspace")
            if workspace is None or body.get("event", {}).get("type") not in _SAID:
                pass
            elif (said := hear(body, workspace.me)) is not None:
                begun = asyncio.Event()
                hearing = Answering(workspace, self._responder).hear(said, begun)
                await self._answers.start_until(begun, hearing, _KEPT_SECONDS, workspace.me.team)
            await next()

        async def on_event(body: dict[str, Any], context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            if hear(body, workspace.me) is not None:
                return  # Long since begun.
            if (change := changed(body, workspace.me)) is not None:
                self._answers.start(Answering(workspace, self._responder).heed(change), workspace.me.team)

        actions = Actions(
            self._find,
            lambda workspace, said, reply: self._running_commands.start(self._run(workspace, said, reply), workspace.me.team),
            lambda workspace, asked: self._answers.start(self._ask(workspace, asked), workspace.me.team),
            self._groups,
            admins=self._settings.admins,
            remembered_for=self._settings.footnote_memory_ttl,
            channels=self._channels,
            overview=self._overview,
        )

        async def on_shortcut(ack: AsyncAck, body: dict[str, Any], context: AsyncBoltContext) -> None:
            await ack()
            workspace: Workspace = context["workspace"]
            self._running_commands.start(self._choose(workspace, body), workspace.me.team)

        async def on_membership(event: dict[str, Any], context: AsyncBoltContext) -> None:
            await context["workspace"].audience.changed(str(event["channel"]))

        async def on_stop(event: dict[str, Any], context: AsyncBoltContext) -> None:
            await self._stop_answering(context["workspace"], str(event["channel"]), str(event["thread_ts"]))

        async def on_person(event: dict[str, Any], context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            if not workspace.people.knows(event["user"]):
                await workspace.audience.changed(str(event["user"]["id"]))

        async def on_newcomer(context: AsyncBoltContext) -> None:
            workspace: Workspace = context["workspace"]
            await workspace.audience.changed(workspace.me.team)

        async def on_access(body: dict[str, Any]) -> None:
            """A workspace of an organisation came or went."""
            if (workspace := await self._workspaces.find(body)) is not None:
                await workspace.audience.changed(workspace.me.team)

        async def on_gone(body: dict[str, Any], event: dict[str, Any]) -> None:
            """A workspace uninstalled Footnote, or revoked its token."""
            uninstalled = event["type"] == "app_uninstalled"
            if self._departures is not None and (uninstalled or (event.get("tokens") or {}).get("bot")) and (found := ids(body)):
                await self._departures.begin(found[0], uninstalled=uninstalled)

        async def ignore() -> None:
            """An event that was subscribed to by mistake, or for a later version, is acknowledged."""

        async def on_error(error: Exception) -> None:
            log.error("event.failed", exc_info=error)

        app.use(only_while_running)
        app.use(hear_first)
        app.event("app_mention")(on_event)
        app.event("message")(on_event)
        app.event(_MEMBERSHIP)(on_membership)
        app.event("agent_session_stopped")(on_stop)
        app.event("user_change")(on_person)
        app.event("team_join")(on_newcomer)
        app.event(_GRANTED)(on_access)
        app.event(_GONE)(on_gone)
        app.command(_COMMANDS)(actions.on_command)
        actions.listen(app)
        app.message_shortcut(_SHORTCUTS)(on_shortcut)
        app.event(re.compile(".*"))(ignore)
        app.error(on_error)
        return app

    async def _find(self, body: Mapping[str, Any]) -> Workspace:
        workspace = await self._workspaces.find(body)
        if workspace is None:
            raise TransientError("Footnote is paused in this workspace.")
        return workspace

    async def _stop_answering(self, workspace: Workspace, channel: str, thread: str) -> None:
        """Somebody pressed Stop: end the answers in a thread, whichever process writes them."""
        conversation = f"slack:{workspace.me.team}:{channel}:{thread}"
        here = await self._responder.stop(conversation)
        log.info("answer.stopped", conversation=conversation, here=here)
        await self._stops.tell(conversation)
        if not here:
            # Slack leaves it to us, also when nobody works on it any more.
            await workspace.sessions.idle(channel, thread)

    async def _ask(self, workspace: Workspace, asked: Asked) -> None:
        """A button asked a question: it is answered like a mention by whoever pressed it."""
        if not await first(self._redis, workspace.me.team, asked):
            return
        try:
            said = await put(workspace.poster, asked, (await workspace.people.find(asked.user)).name)
        except FootnoteError as error:
            if asked.response_url:
                await workspace.poster.respond(render_text(str(error))[0], asked.response_url, asked.thread)
            raise
        await Answering(workspace, self._responder).hear(said)

    async def _choose(self, workspace: Workspace, body: dict[str, Any]) -> None:
        command = chosen(body, workspace.me)
        if command.name == KEEP:
            people = named(body)
            names = await workspace.people.names(people) if people else {}
            command = replace(command, text=kept(body, workspace.me, names))
        await self._run(workspace, command)

    async def _run(self, workspace: Workspace, given: Given, told: Replies | None = None) -> None:
        command = Command(
            name=given.name,
            text=given.text,
            user=workspace.me.person(given.user),
            user_name=(await workspace.people.find(given.user)).name,
            principals=await workspace.audience.principals(given.user, given.channel),
            platform="slack",
            channel_id=workspace.me.own(given.channel),
            # Of a typed command Slack says the channel, never the thread.
            conversation_id=f"slack:{workspace.me.team}:{given.channel}:{given.thread}" if given.thread else None,
            files=given.files,
        )
        key = f"slack:{workspace.me.team}:{given.channel}:{given.trigger}"
        reply = told or CommandReply(given, key, f"{time.time() - _RECENT_SECONDS:.6f}", workspace.poster)
        try:
            await self._commands.run(command, reply)
        except asyncio.CancelledError:
            await reply.say("I am being restarted. `/footnote status` will tell how it ended.")
            raise
        finally:
            await reply.close()


def _is_of_a_workspace(body: Mapping[str, Any]) -> bool:
    """Not Slack's checks of our address, nor what it says of a workspace that is none of ours any more."""
    event = body.get("event")
    kind = event.get("type") if isinstance(event, Mapping) else body.get("type")
    return not (kind == "url_verification" or "ssl_check" in body or _GONE.match(str(kind)) or _GRANTED.match(str(kind)))
