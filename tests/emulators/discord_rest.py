"""The emulated REST API: what Discord is strict about, and a few ways to fail."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.emulators import discord_spec
from tests.emulators.discord_components import V2, Unfit, check_form, check_message, text_of
from tests.emulators.discord_permissions import HISTORY, PUBLIC_THREADS
from tests.emulators.discord_world import (
    DM,
    EPHEMERAL,
    LOADING,
    NEWS,
    SUPPRESS_EMBEDS,
    TEXT,
    Channel,
    Interaction,
    Json,
    Message,
)

if TYPE_CHECKING:
    from tests.emulators.discord import DiscordServer

CALLBACK_SECONDS = 3.0
_HELD_SECONDS = 60.0
TOKEN_LIFE = timedelta(minutes=15)
MOST_EDITS, EDIT_SECONDS = 5, 5.0
"""Of the messages of a channel, or of the answers to an interaction."""


class Refusal(Exception):
    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, **more}


@dataclass(eq=False)
class Fault:
    method: str
    path: re.Pattern[str]
    kind: int | str
    """A status (429, 500 ...), ``lost`` (done, but the answer never arrives), ``held`` (done, and answered after a minute: time
    to kill whoever waits for it) or ``refused`` (not done, no answer).
    """
    times: int
    retry_after: float = 0.05


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Any
    status: int
    at: float


class Rest:
    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.commands: list[Json] = []
        self.command_writes = 0
        self.edit_seconds = EDIT_SECONDS
        self.throttled = 0
        """Edits that were refused because there were too many."""
        self._nonces: dict[tuple[int, str], Message] = {}
        self._edits: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_EDITS))

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Callable[..., Awaitable[Any]]]] = [
            ("GET", "/users/@me", self._me),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway),
            ("GET", "/applications/{application}/commands", self._list_commands),
            ("PUT", "/applications/{application}/commands", self._put_commands),
            ("POST", "/users/@me/channels", self._open_dm),
            ("GET", "/users/{user}", self._user),
            ("GET", "/guilds/{guild}/members/{user}", self._member),
            ("GET", "/channels/{channel}", self._channel),
            ("POST", "/channels/{channel}/typing", self._typing),
            ("POST", "/channels/{channel}/messages", self._create_message),
            ("GET", "/channels/{channel}/messages", self._history),
            ("GET", "/channels/{channel}/messages/{message}", self._get_message),
            ("PATCH", "/channels/{channel}/messages/{message}", self._edit_message),
            ("DELETE", "/channels/{channel}/messages/{message}", self._delete_message),
            ("POST", "/channels/{channel}/messages/{message}/threads", self._create_thread),
            ("POST", "/interactions/{interaction}/{token}/callback", self._callback),
            ("GET", "/webhooks/{application}/{token}/messages/@original", self._get_original),
            ("PATCH", "/webhooks/{application}/{token}/messages/@original", self._edit_original),
            ("POST", "/webhooks/{application}/{token}", self._follow_up),
            ("PATCH", "/webhooks/{application}/{token}/messages/{message}", self._edit_follow_up),
        ]
        return [web.route(method, f"/api/v10{path}", self._guarded(handler)) for method, path, handler in table]

    def _guarded(self, handler: Callable[..., Awaitable[Any]]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix("/api/v10")
            fault = self._fault(request.method, path)
            body: Any = None
            if fault is not None and fault.kind == "refused":
                return _cut(request)
            if fault is not None and isinstance(fault.kind, int):
                status, answer = fault.kind, self._failure(fault)
            else:
                try:
                    body = await self._body(request)
                    self._authorize(request, path)
                    answer = await handler(request, body)
                    status = 204 if answer is None else 201 if path.endswith("/threads") else 200
                except Refusal as refusal:
                    status, answer = refusal.status, refusal.body
                except Unfit as unfit:
                    status, answer = 400, _invalid(unfit.field, unfit.message, unfit.code).body | {"code": unfit.number}
            self.calls.append(Call(request.method, path, body, status, time.monotonic()))
            self._judge(request.method, path, body, status, answer)
            if fault is not None and fault.kind == "held":
                await asyncio.sleep(_HELD_SECONDS)
            if fault is not None and fault.kind == "lost":
                return _cut(request)
            return self._answer(status, answer)

        return handle

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _failure(self, fault: Fault) -> Json:
        if fault.kind == 429:
            return {"message": "You are being rate limited.", "code": 0, "retry_after": fault.retry_after, "global": False}
        return {"message": "Internal Server Error", "code": 0}

    async def _body(self, request: web.Request) -> Any:
        if not request.can_read_body:
            return None
        if request.content_type != "application/json":
            raise Refusal(400, 50109, "The request body contains invalid JSON.")
        try:
            return json.loads(await request.text())
        except ValueError as error:
            raise Refusal(400, 50109, "The request body contains invalid JSON.") from error

    def _authorize(self, request: web.Request, path: str) -> None:
        if path.startswith(("/webhooks/", "/interactions/")):
            return
        if request.headers.get("Authorization") != f"Bot {self._server.token}":
            raise Refusal(401, 0, "401: Unauthorized")
        if not request.headers.get("User-Agent", "").startswith("DiscordBot ("):
            raise Refusal(403, 40333, "internal network error")

    def _judge(self, method: str, path: str, body: Any, status: int, answer: Any) -> None:
        if (specification := discord_spec.load()) is None:
            return
        problems = specification.response(method, path, status, answer)
        if status < 400:
            problems += specification.request(method, path, body)
        self._server.violations += [f"{method} {path} {status}: {problem}" for problem in problems]

    def _answer(self, status: int, answer: Any) -> web.Response:
        headers = {
            "Via": "1.1 google",
            "X-RateLimit-Limit": "50",
            "X-RateLimit-Remaining": "0" if status == 429 else "49",
            "X-RateLimit-Reset": f"{time.time() + 1:.3f}",
            "X-RateLimit-Reset-After": f"{answer['retry_after']:.3f}" if status == 429 else "1.000",
            "X-RateLimit-Bucket": "emulated",
        }
        if answer is None:
            return web.Response(status=status, headers=headers)
        if status == 429:
            headers["Retry-After"] = str(answer["retry_after"])
        # discord.py takes any other content type, a charset included, for text.
        headers["Content-Type"] = "application/json"
        return web.Response(status=status, body=json.dumps(answer).encode(), headers=headers)

    # Who and where.

    async def _me(self, _request: web.Request, _body: Any) -> Json:
        return self._server.bot.json() | {"mfa_enabled": True, "locale": "en-US", "email": None, "verified": True}

    async def _application(self, _request: web.Request, _body: Any) -> Json:
        return self._server.application_json()

    async def _gateway(self, _request: web.Request, _body: Any) -> Json:
        return {
            "url": self._server.gateway_url,
            "shards": self._server.gateway.shards,
            "session_start_limit": {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1},
        }

    async def _user(self, request: web.Request, _body: Any) -> Json:
        user = self._server.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refusal(404, 10013, "Unknown User")
        return user.json()

    async def _member(self, request: web.Request, _body: Any) -> Json:
        user = self._server.users.get(int(request.match_info["user"]))
        if user is None:
            raise Refusal(404, 10007, "Unknown Member")
        return user.member() | {"user": user.json()}

    async def _channel(self, request: web.Request, _body: Any) -> Json:
        return self._seen_channel(request).json()

    async def _open_dm(self, _request: web.Request, body: Any) -> Json:
        user = self._server.users.get(int(body["recipient_id"]))
        if user is None or user.bot:
            raise Refusal(400, 50007, "Cannot send messages to this user")
        return self._server.dm_channel(user).json()

    # Commands.

    async def _list_commands(self, _request: web.Request, _body: Any) -> list[Json]:
        return self.commands

    async def _put_commands(self, _request: web.Request, body: Any) -> list[Json]:
        for command in body:
            _check_command(command)
        self.command_writes += 1
        known = {(command["type"], command["name"]): command for command in self.commands}
        self.commands = []
        for command in body:
            kind = command.get("type", 1)
            stored: Json = {
                "id": known.get((kind, command["name"]), {}).get("id") or str(self._server.clock.snowflake()),
                "application_id": str(self._server.bot.id),
                "version": str(self._server.clock.snowflake()),
                "type": kind,
                "name": command["name"],
                "description": command.get("description", ""),
                "default_member_permissions": None,
                "dm_permission": True,
                "contexts": command.get("contexts"),
                "integration_types": command.get("integration_types", [0]),
                "nsfw": command.get("nsfw", False),
            }
            if command.get("default_member_permissions") is not None:
                stored["default_member_permissions"] = str(command["default_member_permissions"])
            if command.get("options"):
                stored["options"] = [_stored_option(option) for option in command["options"]]
            self.commands.append(stored)
        return self.commands

    # Messages.

    async def _typing(self, request: web.Request, _body: Any) -> None:
        self._writable_channel(request).typing += 1

    async def _create_message(self, request: web.Request, body: Any) -> Json:
        channel = self._writable_channel(request)
        components = check_message(body, body.get("flags", 0))
        self._check_silence(body)
        nonce = body.get("nonce")
        if nonce and body.get("enforce_nonce") and (known := self._nonces.get((channel.id, nonce))):
            return known.json()
        reply_to = None
        if reference := body.get("message_reference"):
            if channel.kind != DM and not self._server.permissions(self._server.bot, channel) & HISTORY:
                raise Refusal(403, 160002, "Cannot reply without permission to read message history")
            reply_to = self._server.messages.get(int(reference["message_id"]))
            if reply_to is None or reply_to.deleted:
                if reference.get("fail_if_not_exists", True):
                    raise _invalid("message_reference", "Unknown message")
                reply_to = None
        flags = body.get("flags", 0)
        message = self._server.add_message(
            channel, self._server.bot, _read(body, components), reply_to=reply_to, flags=flags, payload=body
        )
        message.components = components
        if nonce:
            self._nonces[channel.id, nonce] = message
        self._server.gateway.dispatch("MESSAGE_CREATE", self._server.event_json(message))
        return message.json()

    async def _history(self, request: web.Request, _body: Any) -> list[Json]:
        channel = self._seen_channel(request)
        if channel.kind != DM and not self._server.permissions(self._server.bot, channel) & HISTORY:
            return []
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 50))
        there = [message for message in channel.messages if message.id > after and not (message.deleted or message.only_for)]
        # Those next to the id, the newest first.
        found = (there[:limit] if after else there[-limit:])[::-1]
        return [message.json(stripped=self._server.is_stripped(message)) for message in found]

    async def _get_message(self, request: web.Request, _body: Any) -> Json:
        channel = self._seen_channel(request)
        if channel.kind != DM and not self._server.permissions(self._server.bot, channel) & HISTORY:
            raise Refusal(403, 50013, "Missing Permissions")
        message = self._message(request)
        return message.json(stripped=self._server.is_stripped(message))

    async def _edit_message(self, request: web.Request, body: Any) -> Json:
        self._seen_channel(request)
        message = self._message(request)
        if message.author is not self._server.bot:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        if message.channel.locked:
            raise Refusal(400, 50083, "Thread is archived")
        self._limit(f"channel {message.channel.id}")
        return self._edited(message, body)

    async def _delete_message(self, request: web.Request, _body: Any) -> None:
        message = self._message(request)
        if message.author is not self._server.bot:
            raise Refusal(403, 50013, "Missing Permissions")
        await self._server.delete(message)
        self._server.touch()

    async def _create_thread(self, request: web.Request, body: Any) -> Json:
        channel, message = self._seen_channel(request), self._message(request)
        if channel.kind not in (TEXT, NEWS):
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if not self._server.permissions(self._server.bot, channel) & PUBLIC_THREADS:
            raise Refusal(403, 50013, "Missing Permissions")
        if not 1 <= len(body["name"]) <= 100:
            raise _invalid("name", "Must be between 1 and 100 in length.", "BASE_TYPE_BAD_LENGTH")
        if body.get("auto_archive_duration") not in (None, 60, 1440, 4320, 10080):
            raise _invalid("auto_archive_duration", "Value must be one of (60, 1440, 4320, 10080).")
        if message.id in self._server.channels:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        return self._server.thread_of(message, body["name"], self._server.bot).json()

    # Interactions.

    async def _callback(self, request: web.Request, body: Any) -> Json | None:
        interaction = self._server.interactions.get(request.match_info["token"])
        if interaction is None or str(interaction.id) != request.match_info["interaction"]:
            raise Refusal(404, 10062, "Unknown interaction")
        after = time.monotonic() - interaction.sent + self._server.extra_latency
        if after > CALLBACK_SECONDS:
            raise Refusal(404, 10062, "Unknown interaction")
        if interaction.acknowledged_after is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        data = body.get("data") or {}
        if body["type"] == 5 and (set(data) - {"flags"} or data.get("flags", 0) & ~EPHEMERAL):
            self._server.violations.append(f"a deferral takes nothing but the EPHEMERAL flag, and got {data}")
        components: list[Json] = []
        if body["type"] == 4:
            components = check_message(data, data.get("flags", 0))
            self._check_silence(data, edits=True)
        elif body["type"] == 8:
            self._offered(interaction, data, after)
            return None
        elif body["type"] == 9:
            self._opened(interaction, data, after)
            return None
        elif body["type"] != 5:
            raise _invalid("type", f"the emulator does not know the callback type {body['type']}")
        interaction.acknowledged_after = after
        interaction.ephemeral = bool(data.get("flags", 0) & EPHEMERAL)
        interaction.loading = body["type"] == 5
        interaction.original = self._respond(interaction, components, data)
        if interaction.loading:
            interaction.original.flags |= LOADING
        self._server.touch()
        if request.query.get("with_response") not in ("1", "true", "True"):
            return None
        answer: Json = {
            "interaction": {
                "id": str(interaction.id),
                "type": interaction.kind,
                "response_message_id": str(interaction.original.id),
                "response_message_loading": interaction.loading,
                "response_message_ephemeral": interaction.ephemeral,
                "channel_id": str(interaction.channel.id),
            }
        }
        if not interaction.loading:
            answer["resource"] = {"type": body["type"], "message": interaction.original.json()}
        return answer

    def _offered(self, interaction: Interaction, data: Json, after: float) -> None:
        if interaction.kind != 4:
            raise _invalid("type", "Only what completes itself can be answered with choices")
        choices = data["choices"]
        if len(choices) > 25:
            raise _invalid("choices", "Must be 25 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
        if any(not 1 <= len(choice["name"]) <= 100 or len(choice["value"]) > 100 for choice in choices):
            raise _invalid("choices", "Must be between 1 and 100 in length.", "BASE_TYPE_BAD_LENGTH")
        interaction.acknowledged_after, interaction.choices = after, [choice["value"] for choice in choices]
        self._server.touch()

    def _opened(self, interaction: Interaction, form: Json, after: float) -> None:
        if interaction.kind == 5:
            raise _invalid("type", "A form cannot answer a form")
        check_form(form)
        interaction.acknowledged_after, interaction.form = after, form
        self._server.touch()

    async def _get_original(self, request: web.Request, _body: Any) -> Json:
        return self._answered(request)[1].json()

    async def _edit_original(self, request: web.Request, body: Any) -> Json:
        interaction, original = self._answered(request)
        if original.deleted:
            raise Refusal(404, 10008, "Unknown Message")
        self._limit(f"interaction {interaction.id}")
        answer = self._edited(original, body)
        interaction.loading = False
        original.flags &= ~LOADING
        return answer | {"flags": original.flags}

    async def _follow_up(self, request: web.Request, body: Any) -> Json | None:
        interaction, original = self._answered(request)
        components = check_message(body, body.get("flags", 0))
        self._check_silence(body)
        if interaction.loading:
            self._server.violations.append("the first follow-up to a deferral edits the original, which is deprecated")
        if bool(body.get("flags", 0) & EPHEMERAL) != interaction.ephemeral:
            self._server.violations.append("a follow-up of another visibility than its deferral")
        message = self._respond(interaction, components, body)
        message.reply_to = original
        interaction.follow_ups.append(message)
        self._server.touch()
        return message.json() if request.query.get("wait") in ("1", "true") else None

    async def _edit_follow_up(self, request: web.Request, body: Any) -> Json:
        interaction, _ = self._answered(request)
        self._limit(f"interaction {interaction.id}")
        return self._edited(self._message(request), body)

    def _answered(self, request: web.Request) -> tuple[Interaction, Message]:
        interaction = self._server.interactions.get(request.match_info["token"])
        if interaction is None or interaction.original is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        if self._server.clock() > interaction.created_at + TOKEN_LIFE:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return interaction, interaction.original

    def _respond(self, interaction: Interaction, components: list[Json], body: Json) -> Message:
        message = self._server.add_message(interaction.channel, self._server.bot, _read(body, components), payload=body)
        message.components = components
        message.flags = body.get("flags", 0) | (EPHEMERAL if interaction.ephemeral else 0)
        message.only_for = interaction.user if interaction.ephemeral else None
        message.webhook_id = self._server.bot.id
        message.interaction = interaction
        message.kind = 20
        return message

    # Rules.

    def _seen_channel(self, request: web.Request) -> Channel:
        channel = self._server.channels.get(int(request.match_info["channel"]))
        if channel is None:
            raise Refusal(404, 10003, "Unknown Channel")
        if not self._server.sees(self._server.bot, channel):
            raise Refusal(403, 50001, "Missing Access")
        return channel

    def _writable_channel(self, request: web.Request) -> Channel:
        channel = self._seen_channel(request)
        if channel.recipient is not None and not channel.recipient.takes_dms:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        if channel.kind != DM and not self._server.may_write(self._server.bot, channel):
            raise Refusal(403, 50013, "Missing Permissions")
        if channel.locked:
            raise Refusal(400, 160005, "Thread is locked")
        return channel

    def _message(self, request: web.Request) -> Message:
        message = self._server.messages.get(int(request.match_info["message"]))
        if message is None or message.deleted:
            raise Refusal(404, 10008, "Unknown Message")
        return message

    def _edited(self, message: Message, body: Json) -> Json:
        flags = message.flags
        if body.get("flags") is not None:
            if flags & V2 and not body["flags"] & V2:
                raise _invalid("flags", "The flag IS_COMPONENTS_V2 cannot be removed", "MESSAGE_CANNOT_REMOVE_COMPONENTS_V2_FLAG")
            flags = flags & ~(SUPPRESS_EMBEDS | V2) | body["flags"] & (SUPPRESS_EMBEDS | V2)
        stays = {} if message.flags & V2 else {"content": message.content}
        wanted = {**stays, "components": message.components, **body}
        components = check_message(wanted, flags)
        self._check_silence(body, edits=True)
        message.flags = flags
        message.components = components
        message.content = _read(wanted, components)
        message.payload = body
        message.edits.append((self._server.clock(), message.content))
        self._server.touch()
        return message.json()

    def _limit(self, key: str) -> None:
        """Five edits in five seconds, unless a test has its server in more of a hurry."""
        made, at = self._edits[key], time.monotonic()
        if len(made) == MOST_EDITS and at - made[0] < self.edit_seconds:
            self.throttled += 1
            after = made[0] + self.edit_seconds - at
            raise Refusal(429, 0, "You are being rate limited.", retry_after=round(after, 3), **{"global": False})
        made.append(at)

    def _check_silence(self, body: Json, *, edits: bool = False) -> None:
        """Nothing pings and nothing unfurls; Discord would let it pass, a team would not."""
        allowed = body.get("allowed_mentions")
        # Who is called is named first, and nobody else is.
        called = re.match(r"<@&?(\d+)> ", body.get("content") or "")
        named = [] if allowed is None else [*(allowed.get("users") or []), *(allowed.get("roles") or [])]
        if (
            allowed is None
            or allowed.get("parse") != []
            or allowed.get("replied_user")
            or {*map(str, named)} - {called and called[1]}
        ):
            self._server.violations.append(f"allowed_mentions must be present and empty, and is {allowed}")
        if not edits and not body.get("flags", 0) & SUPPRESS_EMBEDS:
            self._server.violations.append("embeds are not suppressed")


def _invalid(field: str, message: str, code: str = "BASE_TYPE_BAD") -> Refusal:
    errors = {field: {"_errors": [{"code": code, "message": message}]}}
    return Refusal(400, 50035, "Invalid Form Body", errors=errors)


def _read(body: Json, components: list[Json]) -> str:
    """What people read of a message."""
    return body.get("content") or text_of(components)


def _check_command(command: Json) -> None:
    if command.get("type", 1) == 1:
        if not re.fullmatch(r"[-_'\w]{1,32}", command["name"]) or command["name"] != command["name"].lower():
            raise _invalid("name", "Command name is invalid", "APPLICATION_COMMAND_INVALID_NAME")
        if not 1 <= len(command.get("description", "")) <= 100:
            raise _invalid("description", "Must be between 1 and 100 in length.", "BASE_TYPE_BAD_LENGTH")
    required = [option.get("required", False) for option in command.get("options") or []]
    if required != sorted(required, reverse=True):
        raise _invalid("options", "Required options must be placed before non-required options")
    for option in command.get("options") or []:
        _check_command(option | {"type": 1})


def _stored_option(option: Json) -> Json:
    """As Discord gives it back: what is empty or false is left out."""
    stored = {key: value for key, value in option.items() if value not in (None, False, [], {})}
    if nested := stored.get("options"):
        stored["options"] = [_stored_option(inner) for inner in nested]
    if choices := stored.get("choices"):
        stored["choices"] = [{"name": choice["name"], "value": choice["value"]} for choice in choices]
    return stored


def _cut(request: web.Request) -> web.StreamResponse:
    """Break the connection instead of answering."""
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    return web.Response(status=500)
