"""The commands that Discord offers, and telling Discord about them only when they changed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import discord
import structlog
from discord import app_commands

from bots.discord.translate import Asked
from bots.link import REDEEM, UNLINK

log = structlog.get_logger(__name__)

QUESTION_LENGTH = 4000
"""Characters; the gate refuses longer questions from anywhere."""


class Callbacks(Protocol):
    async def ask(self, interaction: Asked, question: str, *, private: bool) -> None: ...

    async def command(self, interaction: Asked, name: str, text: str) -> None: ...

    async def failed(self, interaction: Asked, error: app_commands.AppCommandError) -> None: ...


def build_tree(client: discord.Client, callbacks: Callbacks) -> app_commands.CommandTree[discord.Client]:
    """All commands. What members are offered is only a hint of Discord's: rights are checked when a command runs."""
    tree = app_commands.CommandTree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    @tree.command(name="ask", description="Ask your team's pages; every statement comes with its footnote")
    @app_commands.describe(question="What you want to know", private="Only you see the answer")
    async def ask(interaction: Asked, question: app_commands.Range[str, 1, QUESTION_LENGTH], private: bool = False) -> None:
        await callbacks.ask(interaction, question, private=private)

    @tree.context_menu(name="Ask about this")
    async def ask_about_this(interaction: Asked, message: discord.Message) -> None:
        await callbacks.ask(interaction, message.content, private=True)

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

    group = app_commands.Group(name="footnote", description="About Footnote")

    @group.command(name="help", description="What I can do")
    async def show_help(interaction: Asked) -> None:
        await callbacks.command(interaction, "help", "")

    @group.command(name="status", description="Sources, their last sync and what is indexed (administrators)")
    async def status(interaction: Asked) -> None:
        await callbacks.command(interaction, "status", "")

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
