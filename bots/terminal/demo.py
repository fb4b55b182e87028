"""`footnote demo`: the main job in one command, on embedded parts, with the sample pages."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.errors import ConfigError

if TYPE_CHECKING:
    from bots.app import App

NEXT_STEPS = """
To use your own pages and chat platforms, set these in the environment or in a file named .env:

  your files    FOOTNOTE_FOLDER=/path/to/handbook           then: uv run footnote sync
  Confluence    CONFLUENCE_URL=…  CONFLUENCE_EMAIL=…  CONFLUENCE_API_TOKEN=…
  Google Drive  GOOGLE_APPLICATION_CREDENTIALS=key.json  GOOGLE_DRIVE_FOLDERS=…
  a model       OPENAI_API_KEY=…  (any OpenAI-compatible server: OPENAI_BASE_URL, FOOTNOTE_MODEL=openai:…)
  Slack         SLACK_BOT_TOKEN=xoxb-…  SLACK_APP_TOKEN=xapp-…     (manifest: deploy/slack-manifest.yaml)
  Discord       DISCORD_BOT_TOKEN=…                                (steps: deploy/discord.md)
  servers       QDRANT_URL=…  REDIS_URL=…                          (to run on many machines)

Then: uv run footnote check, and uv run footnote serve.
"""

ALONE: dict[str, Any] = {
    "qdrant_url": None,
    "redis_url": None,
    "slack_bot_token": None,
    "slack_app_token": None,
    "slack_signing_secret": None,
    "slack_client_id": None,
    "slack_client_secret": None,
    "slack_teams": (),
    "footnote_token_key": None,
    "discord_bot_token": None,
    "confluence_url": None,
    "confluence_email": None,
    "confluence_api_token": None,
    "confluence_api_token_file": None,
    "confluence_spaces": (),
    "google_drive_folders": (),
    "google_drive_drives": (),
    "google_directory_admin": None,
}
"""Settings of a command that keeps to itself: embedded parts, no platform, no source of the team's."""

SAMPLE = Path(__file__).parents[2] / "deploy"


def settings() -> dict[str, Any]:
    """Overrides that keep the demo to itself: embedded parts in a folder of its own, no platform, the sample pages."""
    from core.settings import load_settings

    if not (SAMPLE / "handbook").is_dir():
        raise ConfigError(f"the sample pages are not in {SAMPLE}: run the demo from a checkout of Footnote")
    return {
        "footnote_data_dir": load_settings().footnote_data_dir / "demo",
        "footnote_folder": SAMPLE / "handbook",
        "footnote_config": SAMPLE / "handbook.toml",
        **ALONE,
    }


async def demo(app: App) -> int:
    from bots.terminal import chat, sync

    click.secho("1. A folder of pages becomes knowledge", bold=True)
    states = await sync.run(app, (), quiet=False)
    if not all(sync.succeeded(state) for state in states):
        return 1
    click.secho("\n2. Questions become answers, each for those who will read them", bold=True)
    if app.model is None:
        click.echo("No model is configured, so Footnote answers in quotes: the best sentences of the best pages.")
    for case in tomllib.loads((SAMPLE / "demo.toml").read_text(encoding="utf-8"))["questions"]:
        readers = tuple(case.get("as", ()))
        click.secho(f"\n{case.get('who', 'Somebody asks')}: {case['ask']}", fg="cyan")
        click.secho(f"(read by {', '.join(readers) or 'everyone'})", dim=True)
        await chat.ask(app.terminal, chat.TerminalReply(), case["ask"], await app.audience(readers), None)
    if sys.stdin.isatty() and sys.stdout.isatty():
        click.secho("\n3. Your turn (empty input or Ctrl-D ends)", bold=True)
        await chat.chat(app.terminal, await app.audience(()), "demo")
    click.echo(NEXT_STEPS)
    return 0
