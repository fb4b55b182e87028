"""The part of Slack's Web API that a bot uses: as strict about arguments, tokens, scopes and limits as Slack."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.emulators import slack_directory
from tests.emulators.slack_faults import Faults
from tests.emulators.slack_files import SlackFiles
from tests.emulators.slack_rules import UPDATE_TEXT, Refused, flaws, refusal, texts
from tests.emulators.slack_streams import Streams
from tests.emulators.slack_views import Views
from tests.emulators.slack_workspace import Channel, Post, Whisper, Workspace

_STREAMING = {"chat.startStream", "chat.appendStream", "chat.stopStream"}
_SESSIONS = {"agents.sessions.setStatus", "agents.sessions.rename"}
JSON_METHODS = {"chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral", "assistant.threads.setStatus"}
JSON_METHODS |= _STREAMING | _SESSIONS
JSON_METHODS |= {"views.open", "views.push", "views.update", "views.publish", "assistant.threads.setSuggestedPrompts"}
HISTORY_SCOPES = {"channel": "channels:history", "group": "groups:history", "mpim": "mpim:history", "im": "im:history"}
READ_SCOPES = {"channel": "channels:read", "group": "groups:read", "mpim": "mpim:read", "im": "im:read"}
METHOD_SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    **dict.fromkeys(_STREAMING | _SESSIONS, "chat:write"),
    "chat.postEphemeral": "chat:write",
    "assistant.threads.setStatus": "chat:write",
    "assistant.threads.setSuggestedPrompts": "assistant:write",
    "users.info": "users:read",
    "users.list": "users:read",
    "users.lookupByEmail": "users:read.email",
}
RESPONSE_URL_USES = 5
RESPONSE_URL_SECONDS = 30 * 60


@dataclass(frozen=True)
class Call:
    method: str
    arguments: dict[str, Any]
    at: float
    error: str | None


@dataclass
class ResponseUrl:
    channel: str
    user: str
    made: float = field(default_factory=time.monotonic)
    uses: int = 0


class WebApi:
    def __init__(
        self, workspace: Workspace, faults: Faults, *, bot_token: str | None, app_token: str | None, scopes: set[str] | None
    ) -> None:
        self.workspace = workspace
        self.calls: list[Call] = []
        self.flaws: list[str] = []
        """Of accepted messages: what people would see wrongly."""
        self.warnings: list[str] = []
        self.used_scopes: set[str] = set()
        self.views = Views(workspace)
        self.pings: set[str] = set()
        """Ids of those whom a channel's settings allow to be mentioned."""
        self.response_urls: dict[str, ResponseUrl] = {}
        self.streams = Streams(workspace)
        self.on_post: Callable[[Post], None] = lambda post: None
        self.on_change: Callable[[dict[str, Any]], None] = lambda event: None
        self.open_link: Callable[[], str] = lambda: ""
        self.bot_token = bot_token
        self.app_token = app_token
        self.scopes = scopes
        self.files = SlackFiles(workspace.home.team, self._opens, self._need)
        self.open_to: Callable[[str], None] = _nobody
        """Raises Refused unless a token that was got by an installation opens this team now."""
        self.elsewhere: Callable[[str], bool] = lambda channel: False
        """Whether another team has a channel with this id."""
        self.of_the_app: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {}
        """Methods about installations, by name: they take what the header proves, and look at it themselves."""
        self._faults = faults

    # The HTTP layer.

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        fault = self._faults.take(method)
        if fault and fault.seconds:
            await asyncio.sleep(fault.seconds)
            if request.transport is None or request.transport.is_closing():
                # Whoever asked has hung up before it was looked at.
                return web.Response(status=499)
        if fault and (fault.status != 200 or fault.error or fault.body is not None):
            self._record(method, {}, fault.error or str(fault.status))
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            if fault.body is not None:
                return web.Response(status=fault.status, text=fault.body, content_type=fault.content_type, headers=headers)
            code = fault.error or ("ratelimited" if fault.status == 429 else "internal_error")
            return web.json_response({"ok": False, "error": code}, status=fault.status, headers=headers)
        arguments: dict[str, Any] = {}
        error: str | None = None
        try:
            arguments = await self.arguments(request, method)
            if request.content_type == "application/json" and "charset" not in request.headers["Content-Type"]:
                self.warnings.append(f"{method}: missing_charset")
            if method in self.of_the_app:
                result = self.of_the_app[method](token_of(request), arguments)
            else:
                result = self._call(method, self._token(request, arguments), arguments)
            answer = {"ok": True} | result
        except Refused as refused:
            error = str(refused)
            answer = {"ok": False, "error": error}
        self._record(method, arguments, error)
        if fault and fault.late:
            await asyncio.sleep(fault.late)
        if fault and fault.lost and request.transport:
            request.transport.abort()
        return web.json_response(answer)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """A response_url: five uses in 30 minutes, no token."""
        where = self.response_urls.get(request.match_info["id"])
        fault = self._faults.take("response_url")
        if fault and fault.status != 200:
            return web.Response(status=fault.status, headers={"Retry-After": str(fault.retry_after or 1)})
        if where is None or where.uses >= RESPONSE_URL_USES or time.monotonic() - where.made > RESPONSE_URL_SECONDS:
            self.calls.append(Call("response_url", {}, time.monotonic(), "used_url"))
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        if request.content_type != "application/json":
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        message = await request.json()
        if error := refusal(message):
            return web.json_response({"ok": False, "error": error}, status=400)
        where.uses += 1
        self.calls.append(Call("response_url", message, time.monotonic(), None))
        self.flaws += flaws(message, self.pings)
        shown = "\n".join(texts(message.get("blocks") or [])) or message["text"]
        if message.get("response_type") == "in_channel":
            self._write(where.channel, message, message.get("thread_ts"))
        else:
            blocks, thread = list(message.get("blocks") or []), message.get("thread_ts")
            self.workspace.whispers.append(Whisper(where.channel, where.user, thread, shown, "response_url", blocks))
        return web.Response(text="ok")

    def _record(self, method: str, arguments: dict[str, Any], error: str | None) -> None:
        self.calls.append(Call(method, arguments, time.monotonic(), error))

    async def arguments(self, request: web.Request, method: str) -> dict[str, Any]:
        """Raises Refused for a body that Slack does not read."""
        arguments: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            try:
                sent = json.loads(await request.text())
            except ValueError as error:
                raise Refused("invalid_json") from error
            if not isinstance(sent, dict):
                raise Refused("json_not_object")
            # Methods that know no JSON see no arguments in it.
            return arguments | (sent if method in JSON_METHODS else {})
        if request.content_type == "application/x-www-form-urlencoded":
            return arguments | dict(await request.post())
        if request.can_read_body:
            raise Refused("invalid_post_type")
        return arguments

    def _token(self, request: web.Request, arguments: dict[str, Any]) -> str:
        token = token_of(request) or arguments.pop("token", "")
        if not token:
            raise Refused("not_authed")
        if token not in {self.bot_token, self.app_token}:
            self.open_to(token)
        return str(token)

    def _opens(self, token: str) -> bool:
        if token and token == self.bot_token:
            return True
        try:
            self.open_to(token)
        except Refused:
            return False
        return True

    def _call(self, method: str, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        implementation = _METHODS.get(method)
        if implementation is None:
            raise Refused("unknown_method")
        if (token == self.app_token) != (method == "apps.connections.open"):
            raise Refused("not_allowed_token_type")
        if scope := METHOD_SCOPES.get(method):
            self._need(scope)
        return implementation(self, arguments)

    def _need(self, scope: str) -> None:
        if not self.grants(scope):
            raise Refused("missing_scope")
        self.used_scopes.add(scope)

    # The methods.

    def auth_test(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        home = self.workspace.home
        ours = {"team": home.name, "user": "footnote", "team_id": home.team, "user_id": home.bot_user, "bot_id": home.bot}
        if home.org:
            ours |= {"enterprise_id": home.org} | ({"team_id": home.org} if home.org_wide else {})
        return {"url": "https://footnote.slack.com/", "is_enterprise_install": home.org_wide} | ours

    def apps_connections_open(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {"url": self.open_link()}

    def users_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = self.workspace.users.get(_required(arguments, "user"))
        if user is None:
            raise Refused("user_not_found")
        return {"user": user.profile(with_email=self.with_email())}

    def users_list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self.workspace.home.org_wide and not arguments.get("team_id"):
            raise Refused("missing_argument")
        return slack_directory.users(self.workspace, arguments, with_email=self.with_email())

    def users_lookup_by_email(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return slack_directory.by_email(self.workspace, _required(arguments, "email"))

    def with_email(self) -> bool:
        if not self.grants("users:read.email"):
            return False
        self.used_scopes.add("users:read.email")
        return True

    def grants(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes

    def chat_post_message(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("channel") in self.workspace.users:
            # A person's id stands for the conversation with them.
            arguments = arguments | {"channel": f"D{arguments['channel']}"}
        channel = self._writable(arguments)
        if error := refusal(arguments):
            raise Refused(error)
        thread = self._thread(channel, arguments)
        self.flaws += flaws(arguments, self.pings)
        if "text" not in arguments:
            self.warnings.append("chat.postMessage: missing_text_in_message")
        post = self._write(channel.id, arguments, thread)
        return {"channel": channel.id, "ts": post.ts, "message": post.payload()}

    def _write(self, channel: str, message: dict[str, Any], thread: str | None) -> Post:
        post = self.workspace.write(
            channel,
            self.workspace.home.bot_user,
            str(message.get("text", "")),
            thread_ts=thread,
            bot_id=self.workspace.home.bot,
            blocks=list(message.get("blocks") or []),
            metadata=message.get("metadata"),
        )
        self.workspace.statuses.pop((channel, post.root), None)
        self.on_post(post)
        return post

    def chat_update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._writable(arguments)
        post = self.workspace.find(channel.id, _required(arguments, "ts"))
        if post is None:
            raise Refused("message_not_found")
        if post.bot_id != self.workspace.home.bot:
            raise Refused("cant_update_message")
        self.streams.guard(post, "streaming_state_conflict")
        if error := refusal(arguments, text_limit=UPDATE_TEXT):
            raise Refused(error)
        self.flaws += flaws(arguments, self.pings)
        before = post.payload()
        post.text, post.blocks = str(arguments.get("text", "")), list(arguments.get("blocks") or [])
        post.metadata = arguments.get("metadata") or post.metadata
        post.edits.append(time.monotonic())
        self.on_change(self.workspace.change_of(post, before))
        return {"channel": channel.id, "ts": post.ts, "text": post.text}

    def chat_delete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._writable(arguments)
        post = self.workspace.find(channel.id, _required(arguments, "ts"))
        if post is None:
            raise Refused("message_not_found")
        if post.bot_id != self.workspace.home.bot:
            raise Refused("cant_delete_message")
        self.streams.guard(post, "cant_delete_message")
        self.on_change(self.workspace.deleted(post))
        return {"channel": channel.id, "ts": post.ts}

    def chat_start_stream(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._writable(arguments)
        return self.streams.start(channel, self._thread(channel, arguments), arguments)

    def chat_append_stream(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.streams.append(self._writable(arguments), arguments)

    def chat_stop_stream(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.streams.stop(self._writable(arguments), arguments)

    def set_session_status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.streams.set_status(self._channel({"channel": arguments.get("channel_id")}), arguments)

    def rename_session(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.streams.rename(self._channel({"channel": arguments.get("channel_id")}), arguments)

    def chat_post_ephemeral(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._writable(arguments)
        user = _required(arguments, "user")
        if user not in self.workspace.members(channel):
            raise Refused("user_not_in_channel")
        if error := refusal(arguments):
            raise Refused(error)
        thread = self._thread(channel, arguments)
        self.flaws += flaws(arguments, self.pings)
        shown = "\n".join(texts(arguments.get("blocks") or [])) or arguments["text"]
        blocks = list(arguments.get("blocks") or [])
        self.workspace.whispers.append(Whisper(channel.id, user, thread, shown, "chat.postEphemeral", blocks))
        return {"message_ts": self.workspace.next_ts()}

    def conversations_members(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return slack_directory.members(self.workspace, self._listed(arguments), arguments)

    def conversations_info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return slack_directory.info(self.workspace, self._listed(arguments))

    def _listed(self, arguments: dict[str, Any]) -> Channel:
        channel = self._channel(arguments)
        self._need(READ_SCOPES[channel.kind])
        return channel

    def conversations_replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._readable(arguments)
        root = _required(arguments, "ts")
        if self.workspace.find(channel.id, root) is None:
            raise Refused("thread_not_found")
        return self._page(self.workspace.thread(channel.id, root), arguments)

    def conversations_history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._readable(arguments)
        roots = [post for post in self.workspace.posts if post.channel == channel.id and post.root == post.ts]
        return self._page(roots[::-1], arguments)

    def _page(self, posts: list[Post], arguments: dict[str, Any]) -> dict[str, Any]:
        oldest, limit = float(arguments.get("oldest", 0)), int(arguments.get("limit", 100))
        metadata = str(arguments.get("include_all_metadata", "0")) in {"1", "true"}
        page = [post.payload(metadata=metadata) for post in posts if float(post.ts) > oldest]
        return {"messages": page[:limit], "has_more": len(page) > limit}

    def set_status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel({"channel": arguments.get("channel_id")})
        root = _required(arguments, "thread_ts")
        if self.workspace.find(channel.id, root) is None:
            raise Refused("invalid_thread_ts")
        if not isinstance(arguments.get("status"), str):
            raise Refused("invalid_arguments")
        if arguments["status"]:
            self.workspace.statuses[channel.id, root] = arguments["status"]
        else:
            self.workspace.statuses.pop((channel.id, root), None)
        return {}

    def _channel(self, arguments: dict[str, Any]) -> Channel:
        channel = self.workspace.channels.get(_required(arguments, "channel"))
        if channel is None or (channel.kind in {"group", "mpim"} and not channel.with_bot):
            if channel is None and self.elsewhere(arguments["channel"]):
                self.flaws.append(f"{arguments['channel']} is a channel of another team than {self.workspace.home.team}")
            raise Refused("channel_not_found")
        return channel

    def _writable(self, arguments: dict[str, Any]) -> Channel:
        channel = self._channel(arguments)
        if not channel.with_bot:
            raise Refused("not_in_channel")
        if channel.archived:
            raise Refused("is_archived")
        return channel

    def _readable(self, arguments: dict[str, Any]) -> Channel:
        channel = self._channel(arguments)
        self._need(HISTORY_SCOPES[channel.kind])
        if not channel.with_bot:
            raise Refused("not_in_channel")
        return channel

    def _thread(self, channel: Channel, arguments: dict[str, Any]) -> str | None:
        ts = arguments.get("thread_ts")
        if ts is None:
            return None
        root = self.workspace.find(channel.id, str(ts))
        if root is None:
            raise Refused("thread_not_found")
        if root.root != root.ts:
            raise Refused("invalid_thread_ts")
        return root.ts


def token_of(request: web.Request) -> str:
    """As it came in the header; ``Basic ...`` are the app's id and secret."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _nobody(_token: str) -> None:
    raise Refused("invalid_auth")


def _required(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("invalid_arguments")
    return value


_METHODS: dict[str, Callable[[WebApi, dict[str, Any]], dict[str, Any]]] = {
    "auth.test": WebApi.auth_test,
    "apps.connections.open": WebApi.apps_connections_open,
    "users.info": WebApi.users_info,
    "users.list": WebApi.users_list,
    "users.lookupByEmail": WebApi.users_lookup_by_email,
    "chat.postMessage": WebApi.chat_post_message,
    "chat.update": WebApi.chat_update,
    "chat.delete": WebApi.chat_delete,
    "chat.startStream": WebApi.chat_start_stream,
    "chat.appendStream": WebApi.chat_append_stream,
    "chat.stopStream": WebApi.chat_stop_stream,
    "agents.sessions.setStatus": WebApi.set_session_status,
    "agents.sessions.rename": WebApi.rename_session,
    "chat.postEphemeral": WebApi.chat_post_ephemeral,
    "conversations.members": WebApi.conversations_members,
    "conversations.info": WebApi.conversations_info,
    "conversations.replies": WebApi.conversations_replies,
    "conversations.history": WebApi.conversations_history,
    "assistant.threads.setStatus": WebApi.set_status,
    "assistant.threads.setSuggestedPrompts": lambda api, arguments: api.views.set_suggested_prompts(arguments),
    "views.open": lambda api, arguments: api.views.open(arguments),
    "views.push": lambda api, arguments: api.views.push(arguments),
    "views.update": lambda api, arguments: api.views.update(arguments),
    "views.publish": lambda api, arguments: api.views.publish(arguments),
    "files.info": lambda api, arguments: api.files.info(arguments),
}
