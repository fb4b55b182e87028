"""Discord's messages and interactions in Footnote's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import discord

from bots.command import Command
from bots.commands.config import manager
from bots.discord.files import attached
from core.channels import server
from core.models import Attachment, Message, Principal

Person = discord.User | discord.Member
Asked = discord.Interaction[discord.Client]

_CODE = re.compile(r"(```.*?```|``.+?``|`[^`\n]+`)", re.DOTALL)
_QUOTE = re.compile(r"(?m)^>>> (?s:.*)|^> .*$")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")


def is_addressed(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether a person speaks to the bot: by a mention, a reply to its message, or a direct message.

    Bots, webhooks and system messages are never answered, or two bots would talk for ever. A mention in a code
    block or a quote speaks about the bot; ``@everyone`` speaks to people.
    """
    if message.author.bot or message.webhook_id is not None:
        return False
    if message.type not in {discord.MessageType.default, discord.MessageType.reply}:
        return False
    if is_private(message) or _mention(me).search(_outside_code_and_quotes(message.content)):
        return True
    # A reply says nothing when it has no words, and its words only reach us when it pings.
    return _replies_to(message, me) and bool(message.content.strip())


def is_private(message: discord.Message) -> bool:
    """Whether the bot alone sees it. Of a server that the gateway did not tell of, a message names none."""
    return isinstance(message.channel, discord.DMChannel)


def is_post(message: discord.Message) -> bool:
    """Whether it is the first message of a post in a forum: Discord gives both the same id."""
    channel = message.channel
    return isinstance(channel, discord.Thread) and channel.id == message.id and isinstance(channel.parent, discord.ForumChannel)


def to_message(
    message: discord.Message, me: discord.ClientUser, conversation_id: str, *, private: bool = False, addressed: bool = True
) -> Message:
    """What a post in a forum asks stands in its title, too."""
    text = spoken(message, me)
    if is_post(message):
        text = "\n\n".join(filter(None, (getattr(message.channel, "name", ""), text)))
    return Message(
        id=f"discord:{message.id}",
        platform="discord",
        conversation_id=conversation_id,
        channel_id=home_id(message.channel),
        user=user_id(message.author),
        user_name=message.author.display_name,
        text=text,
        sent_at=message.created_at,
        private=private or is_private(message),
        addressed=addressed,
        files=attached(message.attachments, message.channel, message.jump_url),
    )


def reworded(asked: Message, message: discord.Message) -> Message:
    """As an edit has it: another message, in place of the one that it was."""
    at = message.edited_at or message.created_at
    return replace(asked, id=f"{asked.id}:{at.timestamp():.3f}", replaces=asked.id)


def to_asked(
    interaction: Asked,
    text: str,
    conversation_id: str,
    *,
    private: bool,
    sources: tuple[str, ...] = (),
    files: tuple[Attachment, ...] = (),
) -> Message:
    return Message(
        id=f"discord:{interaction.id}",
        platform="discord",
        conversation_id=conversation_id,
        channel_id=home_id(interaction.channel) or f"discord:{interaction.channel_id}",
        user=user_id(interaction.user),
        user_name=interaction.user.display_name,
        text=text.strip(),
        sent_at=interaction.created_at,
        private=private,
        sources=sources,
        files=files,
    )


def to_command(
    interaction: Asked,
    name: str,
    text: str,
    held: frozenset[Principal],
    files: tuple[Attachment, ...] = (),
    *,
    everywhere: bool = False,
) -> Command:
    """A command by somebody who holds these principals, and besides that of who manages the channel if Discord says so: or the
    server, of a command that is for ``everywhere`` there.
    """
    channel_id = home_id(interaction.channel) or f"discord:{interaction.channel_id}"
    if everywhere and interaction.guild_id is not None:
        channel_id = f"discord:{server(interaction.guild_id)}"
    if manages(interaction, everywhere=everywhere):
        held |= {manager("discord", channel_id)}
    return Command(
        name=name,
        text=text,
        user=user_id(interaction.user),
        user_name=interaction.user.display_name,
        principals=held,
        platform="discord",
        channel_id=channel_id,
        conversation_id=own_conversation(interaction.channel)
        or private_conversation(interaction.channel_id, interaction.user.id),
        files=files,
    )


def manages(interaction: Asked, *, everywhere: bool = False) -> bool:
    """Whether Discord lets them manage the channel where they gave a command, or the whole server, as it resolved their
    permissions there.
    """
    may = interaction.permissions
    return may.administrator or may.manage_guild or (may.manage_channels and not everywhere)


def message_id(id: int) -> str:
    return f"discord:{id}"


def user_id(person: Person) -> str:
    return f"discord:{person.id}"


def principals(person: Person) -> frozenset[Principal]:
    """Who a person is: what Discord itself vouches for in this event, roles only of the server that they speak in.

    Both spellings are held: settings name ``discord:456`` and ``discord:role:789``, documents ``user:discord:456``
    and ``role:discord:789``.
    """
    roles = [role.id for role in person.roles] if isinstance(person, discord.Member) else []
    names = [f"discord:{person.id}", f"user:discord:{person.id}"]
    return frozenset([*names, *(f"discord:role:{role}" for role in roles), *(f"role:discord:{role}" for role in roles)])


def home_id(channel: object) -> str:
    """The channel, or the one that a thread hangs on: what is set there counts in its threads. Empty for no channel."""
    if isinstance(channel, discord.Thread):
        return f"discord:{channel.parent_id}"
    return f"discord:{channel.id}" if isinstance(channel, discord.abc.Snowflake) else ""


def own_conversation(channel: object) -> str | None:
    """The conversation that a whole thread, forum post or direct message is; None in a channel, where many are."""
    if isinstance(channel, discord.Thread | discord.DMChannel):
        return f"discord:{channel.id}"
    return None


def chain_conversation(channel_id: int | None, root: int) -> str:
    """The conversation of a reply chain, by the message at its root."""
    return f"discord:{channel_id}:{root}"


def thread_conversation(message: discord.Message) -> str:
    """The conversation of the thread that hangs on a message: Discord gives both the same id."""
    return f"discord:{message.id}"


def private_conversation(channel_id: int | None, user: int) -> str:
    """The conversation of one person's private questions in a channel or thread: nobody can reply to what only they see."""
    return f"discord:{channel_id}:private:{user}"


def replies_to_us(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether it replies to what we said, if only in passing: without a ping."""
    replied = message.reference.resolved if message.reference is not None else None
    return isinstance(replied, discord.Message) and replied.author.id == me.id


def is_for_others(message: discord.Message, me: discord.ClientUser) -> bool:
    """Whether it speaks to people: it mentions some, or replies to one of them. Not when it mentions us besides."""
    if any(user.id == me.id for user in message.mentions):
        return False
    replied = message.reference.resolved if message.reference is not None else None
    to_person = isinstance(replied, discord.Message) and replied.author.id not in {me.id, message.author.id}
    others = [user for user in message.mentions if user.id != message.author.id]
    return to_person or bool(others or message.role_mentions or message.mention_everyone)


def _mention(me: discord.ClientUser) -> re.Pattern[str]:
    return re.compile(rf"<@!?{me.id}>")


def _outside_code_and_quotes(text: str) -> str:
    return _QUOTE.sub("", " ".join(_CODE.split(text)[::2]))


def _replies_to(message: discord.Message, me: discord.ClientUser) -> bool:
    if message.type is not discord.MessageType.reply or message.reference is None:
        return False
    if not any(user.id == me.id for user in message.mentions):
        return False
    replied = message.reference.resolved
    # The message may be gone, but Discord says that its author, we, were pinged.
    return not isinstance(replied, discord.Message) or replied.author.id == me.id


def spoken(message: discord.Message, me: discord.ClientUser) -> str:
    """The text as people read it: our mention left out, other mentions by their names. Code stays as it is."""
    names: list[tuple[re.Pattern[str], str]] = [(_mention(me), " ")]
    names += [(re.compile(rf"<@!?{user.id}>"), f"@{user.display_name}") for user in message.mentions]
    names += [(re.compile(f"<@&{role.id}>"), f"@{role.name}") for role in message.role_mentions]
    names += [(re.compile(f"<#{channel.id}>"), f"#{channel.name}") for channel in message.channel_mentions]

    def spoken(text: str) -> str:
        for pattern, name in names:
            text = pattern.sub(_always(name), text)
        return re.sub(r"[ \t]+", " ", _EMOJI.sub(r"\1", text))

    parts = _CODE.split(message.content)
    return "".join(part if position % 2 else spoken(part) for position, part in enumerate(parts)).strip()


def shown(message: discord.Message, me: discord.ClientUser) -> tuple[str, Sequence[discord.Attachment]]:
    """What a message says to whoever asks about it, and the files on it: of one that was forwarded what it said first, of one
    that other software wrote what its frames say, and of a file without words what stands in it.
    """
    forwarded = message.message_snapshots
    files = [*message.attachments, *(file for snapshot in forwarded for file in snapshot.attachments)]
    said = spoken(message, me) or "\n\n".join(filter(None, (snapshot.content for snapshot in forwarded)))
    if not said:
        said = "\n\n".join(filter(None, (text for frame in message.embeds for text in (frame.title, frame.description))))
    if not said and files:
        said = f"What does {files[0].filename} say?"
    return said, files


def _always(name: str) -> Callable[[re.Match[str]], str]:
    return lambda _: name
