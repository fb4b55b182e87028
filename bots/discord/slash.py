"""The commands that Discord offers, and telling Discord about them only when they changed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import discord
import structlog
from discord import app_commands

from bots.commands.gaps import GAPS
from bots.commands.link import REDEEM, UNLINK
from bots.commands.memory import MEMORY
from bots.commands.uploads import ADD, LIST
from bots.discord.files import attached
from bots.discord.translate import Asked
from core.models import Attachment

log = structlog.get_logger(__name__)

QUESTION_LENGTH = 4000
"""Characters; the gate refuses longer questions from anywhere."""
_CHOICE = 100
"""Characters of what autocompletion offers."""


class Callbacks(Protocol):
    async def ask(self, interaction: Asked, question: str, *, private: bool, source: str | None = None) -> None: ...

    async def ask_about(self, interaction: Asked, message: discord.Message) -> None: ...

    async def sources(self, interaction: Asked, typed: str) -> list[str]: ...

    async def configure(self, interaction: Asked, wanted: Mapping[str, str], *, everywhere: bool = False) -> None: ...

    async def command(self, interaction: Asked, name: str, text: str, files: tuple[Attachment, ...] = ()) -> None: ...

    async def keep(self, interaction: Asked, message: discord.Message) -> None: ...

    async def failed(self, interaction: Asked, error: app_commands.AppCommandError) -> None: ...


def build_tree(client: discord.Client, callbacks: Callbacks) -> app_commands.CommandTree[discord.Client]:
    """All commands. What members are offered is only a hint of Discord's: rights are checked when a command runs."""
    tree = app_commands.CommandTree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    @tree.command(name="ask", description="Ask your team's pages; every statement comes with its footnote")
    @app_commands.describe(
        question="What you want to know", private="Only you see the answer", source="Answer from this source only"
    )
    async def ask(
        interaction: Asked,
        question: app_commands.Range[str, 1, QUESTION_LENGTH],
        private: bool = False,
        source: app_commands.Range[str, 1, 100] | None = None,
    ) -> None:
        await callbacks.ask(interaction, question, private=private, source=source)

    @ask.autocomplete("source")
    async def sources_to_ask(interaction: Asked, typed: str) -> list[app_commands.Choice[str]]:
        return _choices(await callbacks.sources(interaction, typed))

    @tree.context_menu(name="Ask about this")
    async def ask_about_this(interaction: Asked, message: discord.Message) -> None:
        await callbacks.ask_about(interaction, message)

    @tree.context_menu(name="Add to Footnote")
    async def add_to_footnote(interaction: Asked, message: discord.Message) -> None:
        files = attached(message.attachments, interaction.channel, message.jump_url)
        await callbacks.command(interaction, ADD, "", files)

    @tree.context_menu(name="Keep as answer")
    async def keep_as_answer(interaction: Asked, message: discord.Message) -> None:
        await callbacks.keep(interaction, message)

    @tree.command(name="add", description="Add a file to what Footnote knows, for all who see this channel")
    @app_commands.describe(
        file="PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown or text", title="What it is called; without it, by its file name"
    )
    async def add(interaction: Asked, file: discord.Attachment, title: app_commands.Range[str, 1, 200] | None = None) -> None:
        # Discord keeps it with the command, which no address leads to.
        await callbacks.command(interaction, ADD, title or "", attached([file], interaction.channel, ""))

    @tree.command(name="reindex", description="Read the sources again (administrators)")
    @app_commands.describe(
        source="Only this source; all of them without it",
        scope="Only a space, a folder, a document's address, or: failed",
        full="List everything anew; unchanged pages are still skipped",
        dry_run="Only tell what would change",
        prune="Remove what vanished from the source, however much it is",
        force="Also index unchanged pages again, and remove what vanished",
    )
    @app_commands.default_permissions(manage_guild=True)
    async def reindex(
        interaction: Asked,
        source: str | None = None,
        scope: str | None = None,
        full: bool = False,
        dry_run: bool = False,
        prune: bool = False,
        force: bool = False,
    ) -> None:
        words = [word for word in (source, scope) if word]
        given = {"--full": full, "--dry-run": dry_run, "--prune": prune, "--force": force}
        flags = [flag for flag, wanted in given.items() if wanted]
        await callbacks.command(interaction, "reindex", shlex.join([*words, *flags]))

    @tree.command(name="forget", description="Delete what Footnote remembers of your questions")
    @app_commands.describe(what="All your questions everywhere, or this conversation")
    async def forget(interaction: Asked, what: Literal["me", "here"] = "me") -> None:
        await callbacks.command(interaction, "forget", what)

    @tree.command(name="memory", description="What I remember of your questions, in this conversation and everywhere")
    async def memory(interaction: Asked) -> None:
        await callbacks.command(interaction, MEMORY, "")

    @tree.command(name="forget-document", description="Take a document out of the index for good (administrators)")
    @app_commands.describe(
        document="Its address or id",
        every="Also what hangs on it, when the name is that of several documents",
        undo="Let the next sync bring it back",
    )
    @app_commands.rename(every="all")
    @app_commands.default_permissions(manage_guild=True)
    async def forget_document(interaction: Asked, document: str, every: bool = False, undo: bool = False) -> None:
        wishes = [word for word, wanted in (("all", every), ("undo", undo)) if wanted]
        await callbacks.command(interaction, "forget", shlex.join(["document", document, *wishes]))

    @tree.command(name="link", description="Read in private what you may read as a colleague who is known by an e-mail address")
    @app_commands.describe(code="What /footnote link told you in Slack, or your administrator")
    async def link(interaction: Asked, code: app_commands.Range[str, 1, 20]) -> None:
        await callbacks.command(interaction, REDEEM, code)

    @tree.command(name="unlink", description="Be known by an e-mail address no longer")
    async def unlink(interaction: Asked) -> None:
        await callbacks.command(interaction, UNLINK, "")

    # Discord hides whole commands only, so this is none of those below /footnote.
    @tree.command(name="config", description="How I behave in this channel and its threads (who manages the channel)")
    @app_commands.describe(
        policy="To which messages I reply",
        sources="Answer from these only, with commas between them",
        language="In which I answer; that of the question without it",
        tone="How I write, in a few words",
        escalate="Whom I call when somebody asks for a person",
        private="Answer each person alone, from what they may read",
        threads="Answer each mention in a thread of its own",
        askers="Who may ask here: mention roles and people; everybody without any",
        server="For all channels of the server that have no settings of their own (who manages the server)",
        clear="Go back to the default of this",
    )
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    async def config(
        interaction: Asked,
        policy: Literal["mention", "sticky-thread", "questions"] | None = None,
        sources: app_commands.Range[str, 1, 500] | None = None,
        language: app_commands.Range[str, 1, 40] | None = None,
        tone: app_commands.Range[str, 1, 200] | None = None,
        escalate: discord.Member | discord.Role | None = None,
        private: bool | None = None,
        threads: bool | None = None,
        askers: app_commands.Range[str, 1, 500] | None = None,
        server: bool = False,
        clear: Literal["sources", "language", "tone", "escalate", "askers", "everything"] | None = None,
    ) -> None:
        given = {"policy": policy, "sources": sources, "language": language, "tone": tone, "askers": askers}
        wanted = {name: value for name, value in given.items() if value is not None}
        if escalate is not None:
            wanted["escalate"] = f"discord:{'role:' if isinstance(escalate, discord.Role) else ''}{escalate.id}"
        wanted |= {
            name: "yes" if value else "no" for name, value in (("private", private), ("threads", threads)) if value is not None
        }
        if clear is not None:
            wanted[clear] = ""
        await callbacks.configure(interaction, wanted, everywhere=server)

    @config.autocomplete("sources")
    async def sources_of_channel(interaction: Asked, typed: str) -> list[app_commands.Choice[str]]:
        before, comma, last = typed.rpartition(",")
        return _choices([f"{before}{comma}{name}" for name in await callbacks.sources(interaction, last)])

    group = app_commands.Group(name="footnote", description="About Footnote")

    @group.command(name="help", description="What I can do")
    async def show_help(interaction: Asked) -> None:
        await callbacks.command(interaction, "help", "")

    @group.command(name="uploads", description="Files that were added here, and how to remove them")
    async def uploads(interaction: Asked) -> None:
        await callbacks.command(interaction, LIST, "")

    @group.command(name="status", description="Sources, their last sync and what is indexed (administrators)")
    async def status(interaction: Asked) -> None:
        await callbacks.command(interaction, "status", "")

    @group.command(name="gaps", description="What my pages do not answer (administrators)")
    async def gaps(interaction: Asked) -> None:
        await callbacks.command(interaction, GAPS, "")

    tree.add_command(group)
    tree.error(callbacks.failed)
    return tree


async def sync_commands(client: discord.Client, tree: app_commands.CommandTree[discord.Client]) -> bool:
    """Tell Discord about the commands if it has others; True if they were written.

    Writes are rationed (200 creations a day) and make clients load all commands anew. Raises discord.DiscordException.
    """
    application_id = client.application_id
    if application_id is None:
        raise discord.ClientException("commands belong to an application: log in first")
    wanted = _by_name([command.to_dict(tree) for command in tree.get_commands()])
    try:
        known = _by_name(await client.http.get_global_commands(application_id))
    except discord.HTTPException as error:
        log.info("commands.unknown", status=error.status)
        known = {}
    if wanted.keys() == known.keys() and all(_covers(known[key], command) for key, command in wanted.items()):
        return False
    await tree.sync()
    return True


def _choices(names: Iterable[str]) -> list[app_commands.Choice[str]]:
    """As Discord takes them: of at most 100 characters."""
    return [app_commands.Choice(name=name, value=name) for name in names if len(name) <= _CHOICE]


def _by_name(commands: Any) -> dict[tuple[int, str], Mapping[str, Any]]:
    return {(command.get("type", 1), command["name"]): command for command in commands}


def _covers(known: Any, wanted: Any) -> bool:
    """Whether Discord has what we want. It adds fields of its own, and leaves out what is empty or false."""
    if isinstance(wanted, dict):
        known = known or {}
        return all(_covers(known.get(key), value) for key, value in wanted.items() if key != "dm_permission")
    if isinstance(wanted, list):
        known = known or []
        if wanted and isinstance(wanted[0], int):
            return sorted(known) == sorted(wanted)
        return len(known) == len(wanted) and all(map(_covers, known, wanted))
    return str(known or "") == str(wanted or "")
