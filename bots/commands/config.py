"""`config`: what is set for a channel, and changing it, by whoever looks after the channel or after Footnote."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from bots.command import Command, CommandReply
from bots.commands.selection import words
from core.answering.style import LONGEST_LANGUAGE, LONGEST_TONE, language_of, tone_of
from core.audit import OFF, Audit
from core.channels import DEFAULT, ChannelConfig, Channels, Policy
from core.errors import UserError
from core.models import Principal

log = structlog.get_logger(__name__)

CONFIG = "config"
SourcesOf = Callable[[Command], Awaitable[Collection[str]]]
"""The names of the sources that whoever gives a command may choose among."""

_RESET = "default"
_NONE = frozenset({"", _RESET, "none", "nobody", "off", "all", "question"})
"""All mean that nothing is chosen, of the settings that may be empty."""
_YES, _NO = frozenset({"on", "yes", "true", "1"}), frozenset({"off", "no", "false", "0", _RESET})
_QUOTES = str.maketrans("“”„‟’‘", '""""\'\'')
"""As phones and Slack's editor write them."""
_MEANING = {
    Policy.MENTION: "I reply to those who mention me",
    Policy.STICKY: "I reply to those who mention me, and to further questions in a thread in which I was asked",
    Policy.QUESTIONS: "I reply to those who mention me, and answer questions that nobody put to me",
}
_CALLED = {
    "slack": (
        re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>|<!subteam\^(S[A-Z0-9]+)(?:\|[^>]*)?>|(?:slack:)?([UWS][A-Z0-9]{4,})"),
        "`@somebody`, `@a-user-group` or an id (`U123ABC`, `S123ABC`)",
    ),
    "discord": (
        re.compile(r"<@!?(\d+)>|<@&(\d+)>|(?:discord:)?((?:role:)?\d{5,20})"),
        "`@somebody`, `@a-role` or an id (`1234567`, `role:1234567`)",
    ),
}


def manager(platform: str, channel_id: str) -> Principal:
    """What a platform adds to the principals of a command by somebody who looks after the channel where it is given."""
    return f"manager:{platform}:{channel_id.removeprefix(f'{platform}:')}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    key: str
    """As it is typed."""
    field: str
    """Of :class:`ChannelConfig`."""
    value: str
    """As it is typed, and shown."""
    meaning: str
    changed: bool
    """Whether it is not the default."""


def _is_server(command: Command) -> bool:
    return command.channel_id.startswith(f"{command.platform}:server:")


def usage(platform: str) -> str:
    more = " threads=on askers=…" if platform == "discord" else ""
    settings = f'policy=… sources=… language=… tone="…" escalate=… private=on{more}'
    return f"`/footnote config {settings}`, `/footnote config reset`"


class ConfigCommand:
    def __init__(
        self,
        channels: Channels,
        sources: SourcesOf,
        admins: frozenset[Principal],
        *,
        model: bool,
        audit: Audit = OFF,
    ) -> None:
        """``model``: whether there is one to write in a language and a tone."""
        self._channels = channels
        self._sources = sources
        self._admins = admins
        self._model = model
        self._audit = audit

    async def run(self, command: Command, reply: CommandReply) -> None:
        """Show what is set, or change it. Raises UserError, which says what can be said, and TransientError."""
        config = await self._channels.of(command.platform, command.channel_id)
        said = words(command.text.translate(_QUOTES))
        if not said:
            await reply.say(self._shown(config, command))
            return
        self._require(command)
        changed = await self._changed(config, said, command)
        await self._channels.change(command.platform, command.channel_id, changed)
        self._record(command, config, changed)
        done = "Nothing was different." if changed == config else "Saved; it counts everywhere within seconds."
        await reply.say(f"{done}\n{self._shown(changed, command)}")

    def _require(self, command: Command) -> None:
        if not {*self._admins, manager(command.platform, command.channel_id)}.isdisjoint(command.principals):
            return
        what = "server" if _is_server(command) else "channel"
        who = f"who manage this {what}, and " if command.platform == "discord" else ""
        raise UserError(
            f"`config` shows this {what}'s settings to everybody; only those {who}who are in FOOTNOTE_ADMINS may change them."
        )

    async def _changed(self, config: ChannelConfig, said: list[str], command: Command) -> ChannelConfig:
        if [word.casefold() for word in said] == ["reset"]:
            return await self._channels.around(command.platform, command.channel_id)
        for word in said:
            name, equals, value = word.partition("=")
            key = name.strip().casefold()
            read = _READ.get(key)
            if not equals or read is None:
                keys = [setting.key for setting in settings(config, command.platform)]
                raise UserError(f"I do not understand `{word}`. The settings are {_listed(keys)}: {usage(command.platform)}.")
            value = value.strip()
            if key == "sources" and value.casefold() not in _NONE:
                chosen = _sources(value, await self._sources(command))
                config = replace(config, sources=chosen)
            else:
                config = read(config, value, command.platform)
        return config

    def _shown(self, config: ChannelConfig, command: Command) -> str:
        platform = command.platform
        what = "this server, where a channel has none of its own" if _is_server(command) else "this channel"
        lines = [
            f"- `{setting.key}`: **{setting.value}**{'' if setting.changed else ' (default)'}. {setting.meaning}"
            for setting in settings(config, platform)
        ]
        if not self._model:
            lines.append("There is no chat model (FOOTNOTE_MODEL), so answers are quotes: language and tone change nothing.")
        return "\n".join([f"**Settings of {what}**", *lines, f"Change them: {usage(platform)}."])

    def _record(self, command: Command, before: ChannelConfig, after: ChannelConfig) -> None:
        old, new = dataclasses.asdict(before), dataclasses.asdict(after)
        facts = {name: {"old": _plain(old[name]), "new": _plain(new[name])} for name in old if old[name] != new[name]}
        if facts:
            log.info("config.changed", settings=sorted(facts))
            where = {"platform": command.platform, "channel": command.channel_id}
            self._audit.record("config.changed", who=command.user, where=where, **facts)


def settings(config: ChannelConfig, platform: str) -> list[Setting]:
    """All that can be set on a platform, in words."""

    def setting(key: str, field: str, value: str, meaning: str) -> Setting:
        changed = getattr(config, field) != getattr(DEFAULT, field)
        return Setting(key=key, field=field, value=value, meaning=f"{meaning}.", changed=changed)

    found = [
        setting("policy", "policy", config.policy.value, _MEANING[config.policy]),
        setting("sources", "sources", ", ".join(config.sources) or "all", "Where answers come from"),
        setting("language", "language", config.language or "question", "In which answers are written"),
        setting("tone", "tone", config.tone or _RESET, "How answers are written"),
        setting("escalate", "escalate_to", config.escalate_to or "nobody", "Who is called when somebody asks for a person"),
        setting("private", "private", _on(config.private), "Whether each person is answered alone, from what they may read"),
    ]
    if platform == "discord":
        found.append(setting("threads", "threads", _on(config.threads), "Whether each mention is answered in its own thread"))
        found.append(setting("askers", "askers", ", ".join(config.askers) or "everybody", "Who may ask here"))
    return found


def _policy(config: ChannelConfig, value: str, _platform: str) -> ChannelConfig:
    if value.casefold() == _RESET:
        return replace(config, policy=DEFAULT.policy)
    try:
        return replace(config, policy=Policy(value.casefold()))
    except ValueError:
        meanings = "".join(f"\n- `{policy}`: {meaning}" for policy, meaning in _MEANING.items())
        raise UserError(f"`{value}` is no policy. There is:{meanings}") from None


def _no_sources(config: ChannelConfig, _value: str, _platform: str) -> ChannelConfig:
    return replace(config, sources=())


def _language(config: ChannelConfig, value: str, _platform: str) -> ChannelConfig:
    chosen = "" if value.casefold() in _NONE else value
    if chosen != language_of(chosen):
        raise UserError(
            f"A language is a name of at most {LONGEST_LANGUAGE} letters, like `German`, or `question` for that of the question."
        )
    return replace(config, language=chosen)


def _tone(config: ChannelConfig, value: str, _platform: str) -> ChannelConfig:
    chosen = "" if value.casefold() in _NONE else value
    if chosen != tone_of(chosen):
        raise UserError(
            f'A tone is at most {LONGEST_TONE} characters of words, without markup, like `tone="brief, for engineers"`; '
            f"yours has {len(value)}. `tone={_RESET}` takes it away."
        )
    return replace(config, tone=chosen)


def _escalate(config: ChannelConfig, value: str, platform: str) -> ChannelConfig:
    if value.casefold() in _NONE:
        return replace(config, escalate_to="")
    pattern, possible = _CALLED.get(platform, (None, "nobody: there is nobody to call here"))
    if pattern is None or (match := pattern.fullmatch(value)) is None:
        raise UserError(f"I cannot call `{value}`. Say {possible}, or `nobody`.")
    person, group, id = match.groups()
    role = f"role:{group}" if platform == "discord" else group
    return replace(config, escalate_to=f"{platform}:{person or (role if group else id)}")


def _private(config: ChannelConfig, value: str, _platform: str) -> ChannelConfig:
    return replace(config, private=_flag("private", value))


def _threads(config: ChannelConfig, value: str, platform: str) -> ChannelConfig:
    if platform != "discord":
        raise UserError("`threads` is a setting of Discord's channels: here I answer in threads anyway.")
    return replace(config, threads=_flag("threads", value))


def _askers(config: ChannelConfig, value: str, platform: str) -> ChannelConfig:
    if platform != "discord":
        raise UserError("`askers` is a setting of Discord's channels: here everybody may ask who is in the channel.")
    if value.casefold() in _NONE | {"everybody"}:
        return replace(config, askers=())
    pattern, possible = _CALLED[platform]
    found = [pattern.fullmatch(one) for one in value.replace(",", " ").split()]
    if not all(found):
        raise UserError(f"I know nobody in `{value}`. Say {possible}, several with spaces between them, or `everybody`.")
    named = [match.groups() for match in found if match is not None]
    askers = [f"{platform}:{person or (f'role:{role}' if role else id)}" for person, role, id in named]
    return replace(config, askers=tuple(dict.fromkeys(askers)))


_READ: Mapping[str, Callable[[ChannelConfig, str, str], ChannelConfig]] = {
    "policy": _policy,
    "sources": _no_sources,
    "language": _language,
    "tone": _tone,
    "escalate": _escalate,
    "private": _private,
    "threads": _threads,
    "askers": _askers,
}


def _sources(value: str, known: Collection[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if unknown := [name for name in chosen if name not in known]:
        possible = _listed(sorted(known)) if known else "none that you may read"
        raise UserError(f"There is no source `{unknown[0]}`. There is: {possible}; several are joined by commas, `all` is all.")
    return chosen


def _flag(key: str, value: str) -> bool:
    if value.casefold() not in _YES | _NO:
        raise UserError(f"`{key}` is `on` or `off`, not `{value}`.")
    return value.casefold() in _YES


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
