"""Adding files in chat, listing and removing them: the same on all platforms."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from bots.command import Button, Command, CommandReply
from bots.files import KINDS, shown
from bots.platform import Groups
from bots.upload import Adding, Offered
from core.channels import DEFAULT
from core.errors import FootnoteError, UserError
from core.indexing.uploads import SOURCE
from core.models import Access, Attachment, Message, Principal
from core.principals import expand

if TYPE_CHECKING:
    from core.channels import Channels
    from core.indexing.uploads import Upload, Uploads
    from core.ports import AudienceOf

ADD, LIST, REMOVE = "add", "uploads", "remove-upload"
"""The commands."""
OFF, ADMINS, EVERYONE = "off", "admins", "everyone"
"""FOOTNOTE_UPLOADS. By default everybody may add what hangs in a channel where they are: it is read by those alone who see
that channel, so nobody learns anything that was not before them already.
"""

_MOST_LISTED = 20
_WORD = re.compile(r"\w+")
_POLITE = frozenset(_WORD.findall("please pls hey hi hello ok okay thanks thank can could would will you and now"))
_VERBS = frozenset(_WORD.findall("add learn remember keep save index store upload read"))
_THINGS = frozenset(
    _WORD.findall(
        "this that these those it them the a an all both my our your its one file files document documents doc docs pdf pdfs "
        "page pages attached attachment attachments above here to into in for of what you we us know knowledge index memory "
        "library base channel later use too also as well"
    )
)
_LONGEST_WISH = 200
"""Characters."""
_HOW = (
    "Drop a file in the channel and choose **Add to Footnote** from the menu of its message, or mention me with the file and say "
    f"*add this*. I read {KINDS}."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who adds, and all that they hold."""

    user: str
    name: str
    held: frozenset[Principal]
    where: Mapping[str, str]
    """Platform and channel."""


class UploadCommands:
    def __init__(
        self,
        adding: Adding,
        uploads: Uploads,
        groups: Groups,
        *,
        channels: Channels | None = None,
        allowed: str = EVERYONE,
        admins: Collection[Principal] = (),
    ) -> None:
        self._channels = channels
        self._adding = adding
        self._uploads = uploads
        self._groups = groups
        self._allowed = allowed
        self._admins = frozenset(admins)

    def wished(self, message: Message) -> bool:
        """Whether a message says that the files on it are to be known: "add this", "please remember these files"."""
        text = message.text.casefold()
        if not message.files or len(text) > _LONGEST_WISH:
            return False
        said = [word for word in _WORD.findall(text) if word not in _POLITE or word == "you"]
        while said and said[0] == "you":
            said.pop(0)
        return bool(said) and said[0] in _VERBS and _THINGS.issuperset(said[1:])

    async def of_message(self, message: Message, audience_of: AudienceOf) -> str:
        """Add the files of a message, and say what became of them. Raises UserError when none could be added."""
        own = await audience_of(replace(message, private=True))
        held = frozenset[Principal]().union(*own.readers) | {message.user}
        where = {"platform": message.platform, "channel": message.channel_id}
        return await self._add(message.files, Person(user=message.user, name=message.user_name, held=held, where=where))

    async def add(self, command: Command, reply: CommandReply) -> None:
        """The files that the command was given with, or on the message of which it was chosen."""
        if not command.files:
            raise UserError(f"There is no file. {_HOW}")
        await reply.working()
        # Its own title is only for one.
        title = command.text.strip() if len(command.files) == 1 else ""
        await reply.say(await self._add(command.files, _person(command), title))

    async def show(self, command: Command, reply: CommandReply) -> None:
        """What was added that the person may read here, the latest first, with buttons for what they may remove."""
        files = await self._readable(command)
        if not files:
            raise UserError(f"Nobody added a file that you may read here. {_HOW}")
        text = "\n".join(f"- {_line(file)}" for file in files[:_MOST_LISTED])
        if len(files) > _MOST_LISTED:
            text += f"\n- and {len(files) - _MOST_LISTED} older ones"
        own = [file for file in files[:_MOST_LISTED] if self._may_remove(file, command)]
        await reply.offer(f"**Files that were added**\n{text}", [_button(file) for file in own])

    async def remove(self, command: Command, reply: CommandReply) -> None:
        """``command.text`` is the id of the document. Who added it may, and administrators."""
        file = await self._uploads.get(command.text.strip())
        # Whoever may not know of it is told the same as if there was none.
        known = file is not None and (self._may_remove(file, command) or file in await self._readable(command))
        if file is None or not known:
            raise UserError("There is no such file. `uploads` lists those that were added here.")
        if not self._may_remove(file, command):
            raise UserError(f"{shown(file.name)} was added by {file.by_name}: they can remove it, or an administrator.")
        await self._adding.remove(file, command.user, _person(command).where)
        await reply.say(f"{shown(file.name)} is removed: nothing of it is left in what I know.")

    async def _add(self, files: Sequence[Attachment], person: Person, title: str = "") -> str:
        if self._allowed == OFF:
            raise UserError("Adding files is switched off here. Whoever runs Footnote can allow it with FOOTNOTE_UPLOADS.")
        if self._allowed == ADMINS and self._admins.isdisjoint(person.held):
            raise UserError("Only Footnote's administrators may add files here, and you are not one.")
        said, failed = [], []
        for file in files:
            try:
                said.append(await self._add_one(file, person, title))
            except FootnoteError as error:
                log.info("upload.refused", reason=type(error).__name__)
                failed.append(error)
        if not said:
            raise failed[0] if len(failed) == 1 else UserError("\n".join(f"- {error}" for error in failed))
        return "\n".join([*said, *map(str, failed)])

    async def _add_one(self, file: Attachment, person: Person, title: str) -> str:
        place = file.place or person.user
        # An account and its address are one person: either will do.
        readers = {file.place} if file.place else {name for name in person.held if name.startswith("user:")}
        if not readers:
            raise UserError("I do not know you by an address, so I could show it to nobody. Add it in a channel instead.")
        file, body = await self._adding.files.fetch(person.where["platform"], file)
        offered = Offered(
            name=file.name,
            body=body,
            access=Access(gates=(frozenset(readers),)),
            place=place,
            by=person.user,
            by_name=person.name,
            media_type=file.media_type,
            url=file.url,
            title=title,
        )
        added = await self._adding.add(offered, person.where)
        if not added.ready:
            return added.told
        if not file.place:
            return f"{added.told} Only you can ask me about it, in private."
        config = await self._channels.of(person.where["platform"], person.where["channel"]) if self._channels else DEFAULT
        if config.sources and SOURCE not in config.sources:
            named = ", ".join(f"`{name}`" for name in config.sources)
            wish = f"add `{SOURCE}` to its sources (`/footnote config`)."
            return f"{added.told} But this channel is answered from {named} only: {wish}"
        return f"{added.told} Everybody in this channel can ask me about it here."

    async def _readable(self, command: Command) -> list[Upload]:
        held = expand(command.principals, await self._groups())
        files = [file for file in await self._uploads.all() if file.access.admits(held)]
        return sorted(files, key=lambda file: file.at, reverse=True)

    def _may_remove(self, file: Upload, command: Command) -> bool:
        return file.by == command.user or not self._admins.isdisjoint(command.principals)


def _person(command: Command) -> Person:
    where = {"platform": command.platform, "channel": command.channel_id}
    return Person(user=command.user, name=command.user_name, held=command.principals | {command.user}, where=where)


def _line(file: Upload) -> str:
    name = f"[{file.name}]({file.url})" if file.url.startswith("https://") and not set("[]()<>\n") & set(file.name) else ""
    return f"{name or shown(file.name)} · {file.size / 1e6:,.1f} MB · {file.at:%Y-%m-%d} by {file.by_name} · `{file.id}`"


def _button(file: Upload) -> Button:
    name = shown(file.name).strip("`")
    label = f"Remove {name}"
    return Button(label=label if len(label) <= 75 else f"{label[:74]}…", command=f"{REMOVE} {file.id}", danger=True)
