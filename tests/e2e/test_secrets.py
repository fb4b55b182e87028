"""A company whose every secret is a canary, on good days and bad ones: nothing that was written holds one of them."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from qdrant_client import models

from bots.redis import connect_redis
from core.indexing.qdrant import connect
from tests.e2e.canaries import Canaries
from tests.e2e.installation import Ran
from tests.e2e.team import ADMIN, ANA, LEAVE, Team
from tests.emulators.confluence import ConfluenceServer
from tests.emulators.discord import DiscordServer
from tests.emulators.drive import DriveServer
from tests.emulators.gossip import GossipServer
from tests.emulators.openai import OpenAIServer, Refuses, answer_from_sources
from tests.emulators.qdrant_server import QdrantProcess
from tests.emulators.slack import SlackServer
from tests.redis_servers import Valkey

QUESTION = "How many days of paid leave do I have?"
SENT = {"SLACK_BOT_TOKEN", "DISCORD_BOT_TOKEN", "OPENAI_API_KEY", "CONFLUENCE_API_TOKEN"}


class Company:
    """A team with three sources more, with servers of its own, and with canaries for secrets."""

    def __init__(self, home: Path) -> None:
        self.canaries = Canaries()
        hatch = self.canaries.hatch
        self.home = home
        self.slack, self.google = SlackServer(), DriveServer()
        self.slack.bot_token = self.slack.api.bot_token = hatch("SLACK_BOT_TOKEN", "xoxb-12-34-{}")
        self.slack.app_token = self.slack.api.app_token = hatch("SLACK_APP_TOKEN", "xapp-1-A1-{}")
        self.discord = DiscordServer(hatch("DISCORD_BOT_TOKEN", "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.{}"))
        self.model = OpenAIServer(key=hatch("OPENAI_API_KEY", "sk-proj-{}"))
        self.cloud, self.wiki = ConfluenceServer(), ConfluenceServer(data_center=True)
        self.cloud.api.credentials.token = hatch("CONFLUENCE_API_TOKEN")
        self.wiki.api.credentials.token = hatch("the personal access token")
        self.canaries.hatch_key("the private key", self.google.api.accounts.credentials()["private_key"])
        self.push_secret = hatch("FOOTNOTE_PUSH_SECRET")
        self.qdrant = QdrantProcess(home / "qdrant")
        # Whoever looks for something has to see it: values are not compressed.
        self.redis = Valkey(home / "redis", "--rdbcompression", "no", password=hatch("Redis's password", "p@ss/{}+ö"))
        self.written = home / "written"
        """What the processes said, each into a file."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Team]:
        async with self.slack, self.discord, self.model, self.google, self.cloud, self.wiki:
            await asyncio.gather(self.qdrant.start(), self.redis.start())
            try:
                yield self._team()
            finally:
                self.qdrant.kill()
                self.redis.kill()

    def _team(self) -> Team:
        team = Team(self.home, self.slack, self.discord, self.model)
        given = self.home / "given"
        for folder in (team.pages, self.written, given):
            folder.mkdir()
        (team.pages / "leave.md").write_text(LEAVE)
        self.slack.user(ADMIN, email="admin@acme.com")
        self.slack.user(ANA, email="ana@acme.com")
        self.slack.channel("C1")
        self.cloud.site.page(self.cloud.site.space("ENG"), "Parking", "<p>The garage opens at six in the morning.</p>")
        self.wiki.site.page(self.wiki.site.space("OLD"), "Lunch", "<p>The canteen serves soup on Fridays.</p>")
        drive = self.google.drive
        policies = drive.folder("Policies")
        drive.share(policies, f"user:{drive.bot}", "writer")
        drive.doc("Bicycles", policies, "Every bicycle gets a number at the gate.")
        (given / "confluence").write_text(self.cloud.token)
        (given / "footnote.toml").write_text(
            f'[[confluence]]\nname = "old"\nurl = "{self.wiki.url}"\napi_token = "{self.wiki.token}"\n'
        )
        more = {
            "FOOTNOTE_CONFIG": str(given / "footnote.toml"),
            "FOOTNOTE_LOG_LEVEL": "debug",
            "FOOTNOTE_MODEL": "openai:gpt-test",
            "FOOTNOTE_PUSH_SECRET": self.push_secret,
            "SLACK_SIGNING_SECRET": self.canaries.hatch("SLACK_SIGNING_SECRET"),
            "QDRANT_URL": self.qdrant.url,
            "QDRANT_API_KEY": self.canaries.hatch("QDRANT_API_KEY"),
            "REDIS_URL": self.redis.url,
            "CONFLUENCE_URL": self.cloud.url,
            "CONFLUENCE_EMAIL": self.cloud.email or "",
            "CONFLUENCE_API_TOKEN_FILE": str(given / "confluence"),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.google.write_credentials(given / "key.json")),
            "GOOGLE_API_URL": self.google.url,
            "GOOGLE_DRIVE_FOLDERS": policies.id,
        }
        team.footnote = replace(team.footnote, settings={**team.footnote.settings, **more})
        return team

    @asynccontextmanager
    async def serving(self, team: Team) -> AsyncIterator[Path]:
        """The file that the log goes into."""
        path = self.written / "serve"
        with path.open("wb") as log:
            process = await team.footnote.start("serve", stdout=log, stderr=log)
        try:
            async with asyncio.timeout(120):
                while not (lines := [line for line in path.read_text().splitlines() if "footnote.ready" in line]):
                    assert process.returncode is None, path.read_text()
                    await asyncio.sleep(0.1)
            team.address = json.loads(lines[0])["http"]
            yield path
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()

    async def runs(self, team: Team, *args: str, **settings: str) -> Ran:
        ran = await team.footnote.run(*args, **settings)
        (self.written / f"{len(list(self.written.iterdir())):02} {' '.join(args)}").write_text(f"{ran.out}\n{ran.err}")
        return ran

    async def look_everywhere(self) -> set[str]:
        """Where canaries are that must not be there."""
        client, redis = connect(url=self.qdrant.url), connect_redis(self.redis.url, None)
        try:
            stored = await self.canaries.in_qdrant(client) | await self.canaries.in_redis(redis)
        finally:
            await client.close()
            await redis.aclose()
        shown = [str(self.slack.workspace.posts), str(self.slack.workspace.whispers), str(self.discord.messages)]
        prompts = [str(request.body) for request in self.model.requests]
        told = {f"{name} in what was shown or asked" for text in (*shown, *prompts) for name in self.canaries.in_text(text)}
        folders = (self.written, self.home / "d", self.home / "pages")
        return (
            stored
            | told
            | self.canaries.in_processes()
            | {place for folder in folders for place in self.canaries.in_files(folder)}
        )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_secret_is_written_on_good_days_nor_on_bad_ones(data_dir: Path) -> None:
    company = Company(data_dir)
    async with company.open() as team:
        assert (await company.runs(team, "sync")).status == 0
        async with company.serving(team) as log:
            await _a_day(company, team, log)
            assert '"level": "debug"' in log.read_text()
            assert await company.look_everywhere() == set()
        async with asyncio.TaskGroup() as troubles:
            troubles.create_task(_without_servers(company, team))
            troubles.create_task(_among_gossips(company, team))
            troubles.create_task(_with_wrong_settings(company, team))
        await _with_revoked_tokens(company, team)

        assert await company.look_everywhere() == set()


async def _a_day(company: Company, team: Team, log: Path) -> None:
    assert "thirty days" in await team.asked(QUESTION)
    question = await team.discord.mention(team.bo, team.general, QUESTION)
    assert "thirty days" in (await team.discord.answer_to(question)).content
    assert "1 seen" in await team.reindex()
    for secret, status in ((company.push_secret, 202), (company.push_secret[:-1], 401)):
        assert await team.push("confluence", headers={"Authorization": f"Bearer {secret}"}) == status
    # The model's server repeats what it was sent, and answers are quotes.
    team.model.script(Refuses(status=500, message=f"Cannot handle {{'Authorization': 'Bearer {team.model.key}'}}"))
    assert "thirty days" in await team.asked(QUESTION)
    team.model.script(Refuses(status=401, message=f"Incorrect API key provided: {team.model.key}."))
    assert "thirty days" in await team.asked(QUESTION)
    team.model.script(answer_from_sources)
    # Slack does, while an answer is given: that is nobody's plan, and ends in a traceback.
    body = json.dumps({"ok": False, "error": "fatal_error", "headers": {"Authorization": f"Bearer {team.slack.bot_token}"}})
    team.slack.fail("*", status=400, body=body, content_type="application/json", times=1000)
    await team.slack.dm(ANA, QUESTION)
    await team.slack.until(lambda: "Traceback" in log.read_text(), what="a traceback")
    team.slack.faults.clear()
    async with httpx.AsyncClient() as http:
        answers = [await http.get(f"{team.address}/{path}") for path in ("metrics", "healthz", "readyz", "push/confluence")]
    (company.written / "over HTTP").write_text("".join(f"{answer.headers}\n{answer.text}\n" for answer in answers))


async def _without_servers(company: Company, team: Team) -> None:
    """The embedded engines leave everything in the data dir."""
    alone = {"QDRANT_URL": "", "QDRANT_API_KEY": "", "REDIS_URL": ""}
    assert (await company.runs(team, "sync", "--json", **alone)).status == 0
    assert (company.home / "d").is_dir()


async def _among_gossips(company: Company, team: Team) -> None:
    """All services, and Google's token server once, repeat what they were sent."""
    given = Path(team.footnote.settings["GOOGLE_APPLICATION_CREDENTIALS"])
    async with GossipServer(401) as refusing, GossipServer(500) as failing:
        names = ("SLACK_API_URL", "DISCORD_API_URL", "OPENAI_BASE_URL", "CONFLUENCE_URL", "GOOGLE_API_URL")
        assert (await company.runs(team, "check", **dict.fromkeys(names, refusing.url))).status == 1
        assert (await company.runs(team, "sync", **dict.fromkeys(names, refusing.url))).status == 1
        assert (await company.runs(team, "status", QDRANT_URL=refusing.url)).status == 2
        assert company.canaries.in_text("\n".join(refusing.asked)) >= SENT | {"QDRANT_API_KEY"}

        key = given.with_name("key of a gossip.json")
        key.write_text(json.dumps({**company.google.api.accounts.credentials(), "token_uri": f"{failing.url}/token"}))
        settings = {**dict.fromkeys(names, failing.url), "GOOGLE_APPLICATION_CREDENTIALS": str(key)}
        assert (await company.runs(team, "check", **settings, FOOTNOTE_LOG_FORMAT="console")).status == 1
        assert company.canaries.in_text("\n".join(failing.asked)) >= SENT


async def _with_wrong_settings(company: Company, team: Team) -> None:
    """Typing errors, and the right values in the wrong places."""
    settings = team.footnote.settings
    password, token = company.redis.password or "", company.cloud.token
    for wrong in (
        {"REDIS_URL": f"redis://:{quote(password[:-1], safe='')}@127.0.0.1:{company.redis.port}"},
        {"REDIS_URL": f"rediss//:{password}@127.0.0.1"},
        {"QDRANT_URL": settings["QDRANT_API_KEY"]},
        {"QDRANT_URL": f"ftp://footnote:{settings['QDRANT_API_KEY']}@qdrant:6333"},
        {"CONFLUENCE_URL": f"https://footnote:{token}@acme.atlassian.net"},
        {"CONFLUENCE_URL": token},
        {"CONFLUENCE_URL": f"http://wiki.acme.com/?token={token}"},
        {"FOOTNOTE_ADMINS": settings["SLACK_BOT_TOKEN"]},
        {"FOOTNOTE_SYNC_INTERVAL": settings["FOOTNOTE_PUSH_SECRET"]},
        {"OPENAI_BASE_URL": settings["OPENAI_API_KEY"]},
        {"SLACK_BOT_TOKEN": ""},
    ):
        assert (await company.runs(team, "status", **wrong)).status != 0, wrong


async def _with_revoked_tokens(company: Company, team: Team) -> None:
    company.slack.revoke()
    company.model.key = "sk-another"
    company.discord.token = "another"
    company.google.api.accounts.revoke()
    for site in (company.cloud, company.wiki):
        site.api.revoke()
    for command in (["check", "--json"], ["sync"], ["serve"], ["status", "--json"]):
        assert (await company.runs(team, *command)).status != 0 or "status" in command


async def test_a_canary_is_found_wherever_it_is_written(data_dir: Path) -> None:
    canaries = Canaries()
    token = canaries.hatch("token", "a/{}+")
    canaries.hatch("another")
    spellings = [
        token,
        quote(token, safe=""),
        *(base64.b64encode(f"{email}:{token}".encode()).decode() for email in ("a", "ab", "abc")),
    ]
    assert [canaries.in_text(f"it is {spelling}.") for spelling in spellings] == [{"token"}] * len(spellings)

    (data_dir / "log").write_bytes(b"\0\xff" + token.encode())
    assert canaries.in_files(data_dir) == {f"token in {data_dir / 'log'}"}

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", token, stdin=subprocess.PIPE)
    assert len(canaries.in_processes()) == 1
    await process.communicate(b"\n")

    server, qdrant = Valkey(data_dir / "redis", "--rdbcompression", "no"), QdrantProcess(data_dir / "qdrant")
    await asyncio.gather(server.start(), qdrant.start())
    redis, client = connect_redis(server.url, None), connect(url=qdrant.url)
    try:
        await redis.set("plain", 40 * token)
        await redis.hset("hash", "field", token)
        await redis.rpush("list", token)
        await redis.xadd("stream", {"field": token})
        await redis.set(token, "a key")
        assert len(await canaries.in_redis(redis)) == 5
        await client.create_collection("c", {"v": models.VectorParams(size=1, distance=models.Distance.DOT)})
        await client.upsert("c", [models.PointStruct(id=1, vector={"v": [1.0]}, payload={"deep": [{"er": token}]})])
        assert await canaries.in_qdrant(client) == {"token in c/1"}
    finally:
        await redis.aclose()
        await client.close()
        server.kill()
        qdrant.kill()
