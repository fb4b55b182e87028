"""Wrong settings for Confluence and Drive, as processes: one clear sentence says what to do, and no secret is in it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, Ran
from tests.emulators.confluence import ConfluenceServer
from tests.emulators.drive import DriveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CANARY = "canary-4711"


@dataclass(frozen=True)
class Systems:
    """Settings with which all is well, and the folder in which their files are."""

    home: Path
    cloud: Mapping[str, str]
    data_center: Mapping[str, str]
    drive: Mapping[str, str]
    closed: str
    """Id of a folder that is not shared."""

    async def run(self, command: str, settings: Mapping[str, str]) -> Ran:
        return await Installation(self.home, {"FOOTNOTE_DATA_DIR": str(self.home / "d")}).run(command, **settings)

    def file(self, content: str) -> str:
        path = self.home / "file"
        path.write_text(content)
        return str(path)


@pytest.fixture
async def systems(data_dir: Path) -> AsyncIterator[Systems]:
    async with ConfluenceServer() as cloud, ConfluenceServer(data_center=True) as data_center, DriveServer() as google:
        for server in (cloud, data_center):
            server.site.page(server.site.space("ENG"), "Leave", "<p>Thirty days.</p>")
        drive = google.drive
        policies = drive.folder("Policies")
        drive.share(policies, f"user:{drive.bot}", "writer")
        drive.doc("Leave", policies, "Thirty days.")
        yield Systems(
            data_dir,
            {"CONFLUENCE_URL": cloud.url, "CONFLUENCE_EMAIL": cloud.email or "", "CONFLUENCE_API_TOKEN": cloud.token},
            {"CONFLUENCE_URL": data_center.url, "CONFLUENCE_API_TOKEN": data_center.token},
            {
                "GOOGLE_APPLICATION_CREDENTIALS": str(google.write_credentials(data_dir / "key.json")),
                "GOOGLE_API_URL": google.url,
                "GOOGLE_DRIVE_FOLDERS": policies.id,
            },
            drive.folder("Private", with_bot=False).id,
        )


async def said(systems: Systems, settings: Mapping[str, str], *, status: int) -> list[str]:
    """What `check` and `sync` say of the source: one line each."""
    lines = []
    for command in ("check", "sync"):
        ran = await systems.run(command, settings)
        assert ran.status == status, ran
        assert CANARY not in ran.out + ran.err
        assert "Traceback" not in ran.out + ran.err
        told = [line for line in (ran.out + ran.err).splitlines() if not line.startswith("ok ")]
        [line] = [line for line in told if line.startswith(("FAIL source", "footnote: ", "confluence: ", "drive: "))]
        lines.append(line)
    return lines


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"CONFLUENCE_URL": "http://wiki.acme.com"}, 2, "CONFLUENCE_URL: .* write https://"),
        ({"CONFLUENCE_URL": f"https://ana:{CANARY}@wiki.acme.com"}, 2, "CONFLUENCE_URL: .*settings of its own"),
        ({"CONFLUENCE_URL": "https://wiki.acme.com:99999"}, 2, "CONFLUENCE_URL: .* not a http"),
        ({"CONFLUENCE_API_TOKEN": ""}, 2, "CONFLUENCE_API_TOKEN is not: make a token"),
        ({"CONFLUENCE_URL": "http://127.0.0.1:9"}, 1, "does not answer .*CONFLUENCE_URL"),
        ({"CONFLUENCE_API_TOKEN": CANARY}, 1, r"refused the token \(401\).*CONFLUENCE_API_TOKEN"),
        ({"CONFLUENCE_API_TOKEN": f"{CANARY}\u200b\nX: 1"}, 1, "CONFLUENCE_API_TOKEN|refused"),
        ({"CONFLUENCE_API_TOKEN": "", "CONFLUENCE_API_TOKEN_FILE": "/nowhere/token"}, 1, "/nowhere/token.*cannot be read"),
        ({"CONFLUENCE_SPACES": "eng"}, 1, "space eng .*CONFLUENCE_SPACES.*ENG"),
        ({"CONFLUENCE_SPACES": "ENG,\u202eNOPE"}, 1, "space NOPE .*CONFLUENCE_SPACES"),
    ],
)
@pytest.mark.parametrize("edition", ["cloud", "data_center"])
async def test_confluence(systems: Systems, edition: str, changed: Mapping[str, str], status: int, named: str) -> None:
    for line in await said(systems, {**getattr(systems, edition), **changed}, status=status):
        assert re.search(named, line), line


async def test_a_confluence_at_another_address_or_of_another_kind(systems: Systems) -> None:
    cloud, data_center = systems.cloud, systems.data_center
    for settings in (
        cloud | {"CONFLUENCE_URL": f"{cloud['CONFLUENCE_URL']}/elsewhere"},
        data_center | {"CONFLUENCE_URL": f"{data_center['CONFLUENCE_URL']}/elsewhere"},
        cloud | {"CONFLUENCE_EMAIL": ""},
        cloud | {"CONFLUENCE_URL": data_center["CONFLUENCE_URL"]},
        cloud | {"CONFLUENCE_URL": systems.drive["GOOGLE_API_URL"]},
    ):
        for line in await said(systems, settings, status=1):
            assert re.search("there is no Confluence .*correct CONFLUENCE_URL, or CONFLUENCE_EMAIL", line), line


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "cannot be read"),
        (CANARY, "is not JSON"),
        (json.dumps({"installed": {"client_id": "x", "client_secret": CANARY}}), "is not a service account's"),
        (json.dumps({"type": "authorized_user", "refresh_token": CANARY}), "is not a service account's"),
    ],
)
async def test_a_key_file_of_google_that_is_none(systems: Systems, content: str | None, named: str) -> None:
    file = "/nowhere/key.json" if content is None else systems.file(content)
    for line in await said(systems, systems.drive | {"GOOGLE_APPLICATION_CREDENTIALS": file}, status=1):
        assert re.search(f"{file} {named}.*: save the JSON key of a service account there", line), line


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({"GOOGLE_APPLICATION_CREDENTIALS": ""}, 2, "GOOGLE_APPLICATION_CREDENTIALS is not: name the key file"),
        ({"GOOGLE_DRIVE_FOLDERS": "https://drive.google.com/drive/my-drive"}, 2, "drive/my-drive.*copy it from the browser"),
        ({"GOOGLE_DRIVE_FOLDERS": "everything"}, 2, "'everything'.*copy it from the browser"),
        ({"GOOGLE_API_URL": "http://google.acme.com"}, 2, "GOOGLE_API_URL: .* write https://"),
        ({"GOOGLE_DRIVE_FOLDERS": "closed"}, 1, "iam.gserviceaccount.com.*share"),
    ],
)
async def test_drive(systems: Systems, changed: Mapping[str, str], status: int, named: str) -> None:
    changed = {name: systems.closed if value == "closed" else value for name, value in changed.items()}
    for line in await said(systems, {**systems.drive, **changed}, status=status):
        assert re.search(named, line), line


async def test_a_drive_at_another_address(systems: Systems) -> None:
    elsewhere = {"GOOGLE_API_URL": systems.data_center["CONFLUENCE_URL"]}
    for line in await said(systems, {**systems.drive, **elsewhere}, status=1):
        assert "is GOOGLE_API_URL its address" in line
