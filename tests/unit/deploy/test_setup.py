"""What people copy while they set Footnote up: the example settings, Discord's invitation, Slack's manifest, the CI script."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import discord
import pytest
import yaml

from connectors.confluence.source import ConfluenceSource
from core.limits import LocalLimiter
from core.models import Upsert
from core.settings import ConfluenceConfig, load_settings
from tests.emulators.confluence import SCOPES, ConfluenceApi, Site

ROOT = Path(__file__).parents[3]
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "slack-manifest.yaml").read_text())


def test_the_example_settings_show_the_defaults(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    with contextlib.chdir(tmp_path):
        untouched = load_settings()
        Path(".env").write_text(re.sub(r"^#(?=[A-Z])", "", example, flags=re.MULTILINE))
        assert load_settings() == untouched


def test_the_invitation_to_discord_asks_for_the_permissions_that_it_explains() -> None:
    page = (ROOT / "deploy" / "discord.md").read_text()
    rows = {name: int(value) for name, value in re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)}
    assert rows == {name: discord.Permissions(**{name: True}).value for name in rows}
    wanted = sum(rows.values())
    assert re.findall(r"permissions=(\d+)", page) == [str(wanted)]
    assert f"Together {wanted}." in page
    assert "scope=bot+applications.commands" in page


def test_the_slack_manifest_keeps_to_the_lengths_that_slack_accepts() -> None:
    shown = MANIFEST["display_information"]
    assert len(shown["name"]) <= 35
    assert len(shown["description"]) <= 140
    assert 175 <= len(shown["long_description"]) <= 4000
    assert MANIFEST["features"]["app_home"]["messages_tab_enabled"]
    assert not MANIFEST["features"]["app_home"]["messages_tab_read_only_enabled"]
    assert MANIFEST["settings"]["socket_mode_enabled"]


@pytest.mark.parametrize("page", ["README.md", "deploy/README.md", "deploy/discord.md"])
def test_links_between_the_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


async def test_the_scopes_that_the_readme_lists_are_enough_for_all_that_is_read_of_confluence() -> None:
    async def told(scopes: set[str]) -> set[tuple[str, str]]:
        """Documents, each with who may read it."""
        site = Site()
        ana = site.user("Ana")
        space = site.space("ENG")
        leave = site.page(space, "Leave", "<p>Thirty days.</p>")
        site.restrict(site.page(space, "Pay", "<p>Much.</p>", parent=leave), users=[ana], groups=[site.group("people", ana)])
        site.page(space, "Within", "<p>Here.</p>", parent=site.folder(space, "Folder"))
        site.blog(space, "News", "<p>None.</p>")
        site.attach(leave, "list.txt", b"A list.")
        site.reply(site.comment(leave, "<p>Really?</p>"), "<p>Really.</p>")
        api = ConfluenceApi(site, scopes=scopes)
        config = ConfluenceConfig(url=api.url, email=api.email, api_token=api.token or "")
        source = ConfluenceSource(config, LocalLimiter(), transport=api)
        changes = [change async for change in source.changes(None, {})]
        await source.close()
        return {(change.document.id, change.document.access.class_id) for change in changes if isinstance(change, Upsert)}

    listed = set(re.findall(r"`((?:read|search):[a-z.:-]*confluence)`", (ROOT / "README.md").read_text()))
    assert len(listed) > 5
    assert await told(listed) == await told(set(SCOPES))


def test_the_ci_script_can_be_run_and_runs_the_tests_as_the_readme_does() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    (command,) = re.findall(r"pip install uv && (uv run pytest)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.search(rf"^step .*{command}$", script.read_text(), re.MULTILINE)
