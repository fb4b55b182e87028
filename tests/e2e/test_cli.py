"""The command line as people and scripts use it: processes, exit statuses, JSON."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.installation import Installation, processes_of, ready

PUBLIC = "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n"
SECRET = "---\naccess: [user:ana@acme.com]\n---\n# Salary bands\n\nThe salary band of level 5 is 81,000 to 96,000 euros.\n"


@pytest.fixture
def footnote(data_dir: Path) -> Installation:
    pages = data_dir / "pages"
    pages.mkdir()
    (pages / "leave.md").write_text(PUBLIC)
    (pages / "salary.md").write_text(SECRET)
    return Installation(
        data_dir, {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_FOLDER": str(pages), "FOOTNOTE_HTTP_PORT": "0"}
    )


async def test_pages_are_synced_then_asked_about_with_footnotes(footnote: Installation) -> None:
    synced = await footnote.run("sync", "--json")
    assert synced.status == 0, synced.err
    found = [(row["source"], row["status"], row["indexed"]) for row in synced.json]
    assert found == [("folder", "done", 2), ("uploads", "done", 0)]

    asked = await footnote.run("ask", "How many days of paid leave do I have?", "--json")
    assert asked.status == 0, asked.err
    assert asked.json["grounded"]
    assert "thirty days" in asked.json["answer"]
    (citation,) = asked.json["citations"]
    assert citation["document_id"] == "folder:leave.md"
    assert "thirty days" in citation["quote"]
    assert set(asked.json) >= {"answer", "grounded", "citations", "follow_ups", "hits", "timings"}

    again = await footnote.run("sync", "--json")
    assert [(row["indexed"], row["unchanged"]) for row in again.json] == [(0, 2), (0, 0)]


@pytest.mark.slow
async def test_who_may_not_read_a_page_neither_finds_nor_sees_it(footnote: Installation) -> None:
    await footnote.run("sync")
    question = "What is the salary band of level 5?"
    everyone, ana, both = await asyncio.gather(
        footnote.run("search", question, "--json"),
        footnote.run("search", question, "--json", "--as", "user:ana@acme.com"),
        footnote.run("search", question, "--json", "--as", "user:ana@acme.com", "--as", "user:bo@acme.com"),
    )
    assert "folder:salary.md" in [hit["document_id"] for hit in ana.json["hits"]]
    for blind in (everyone, both):
        assert [hit["document_id"] for hit in blind.json["hits"]] == ["folder:leave.md"]
        assert "81,000" not in blind.out
    refused = await footnote.run("ask", question, "--json")
    assert "81,000" not in refused.out


@pytest.mark.slow
async def test_asking_works_while_serving_and_a_stop_leaves_nothing_running(footnote: Installation) -> None:
    serving = await footnote.start("serve", FOOTNOTE_LOG_FORMAT="json")
    try:
        address = await ready(serving)
        async with httpx.AsyncClient(base_url=address) as http:
            assert (await http.get("/healthz")).json() == {"status": "alive"}
            health = await http.get("/readyz")
            assert health.json()["parts"] == {"qdrant": "up", "redis": "up"}
            async with asyncio.timeout(120):
                while not (await footnote.run("search", "leave", "--json")).json["hits"]:
                    await asyncio.sleep(0.2)
            asked = await footnote.run("ask", "How many days of paid leave do I have?", "--json")
            assert asked.json["grounded"], asked.err
            assert "footnote_syncs_total" in (await http.get("/metrics")).text
            with pytest.raises(httpx.ConnectError):
                await http.get(address.replace("127.0.0.1", "127.0.0.2"))
    finally:
        serving.send_signal(signal.SIGTERM)
        await serving.communicate()
    assert serving.returncode == 0
    async with asyncio.timeout(90):
        while processes_of(footnote.home):
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_status_and_check_tell_what_is_there(footnote: Installation) -> None:
    await footnote.run("sync")
    status, check = await asyncio.gather(footnote.run("status", "--json"), footnote.run("check", "--json"))
    source, added = status.json["sources"]
    assert (added["source"], added["documents_in_index"]) == ("uploads", 0)
    assert (source["status"], source["documents_in_index"], source["failed"]) == ("done", 2, {})
    assert status.json["parts"] == {"qdrant": "up", "redis": "up"}
    assert check.status == 0, check.out
    assert {row["part"] for row in check.json} == {
        "qdrant",
        "redis",
        "embeddings",
        "model",
        "audit",
        "source folder",
        "source uploads",
    }


@pytest.mark.slow
async def test_a_dry_run_says_what_would_change_and_changes_nothing(footnote: Installation) -> None:
    await footnote.run("sync")
    (footnote.home / "pages" / "new.md").write_text("# New\n\nSomething new.\n")
    dry = await footnote.run("reindex", "--dry-run", "--json")
    assert dry.json[0]["would_index"] == ["folder:new.md"]
    found = await footnote.run("search", "Something new", "--json")
    assert "folder:new.md" not in [hit["document_id"] for hit in found.json["hits"]]


@pytest.mark.parametrize(
    ("args", "settings", "status", "said"),
    [
        (("sync", "nowhere"), {}, 1, "nowhere"),
        (("serve",), {"SLACK_BOT_TOKEN": "xoxb-1"}, 2, "SLACK_APP_TOKEN"),
        (("bots",), {}, 2, "QDRANT_URL"),
        (("check",), {"FOOTNOTE_EMBEDDINGS": "local:nothing"}, 2, "local:nothing"),
        (("ask",), {}, 2, "QUESTION"),
        (("ask", "x", "--as", "ana@acme.com"), {}, 2, "user:ana@acme.com"),
        (("ask", "x"), {"FOOTNOTE_DATA_DIR": "/dev/null/data"}, 2, "/dev/null/data"),
    ],
    ids=[
        "unknown source",
        "half a platform",
        "bots without servers",
        "unknown embeddings",
        "no question",
        "no principal",
        "impossible data dir",
    ],
)
async def test_bad_usage_and_settings_end_with_a_line_that_names_them(
    footnote: Installation, args: tuple[str, ...], settings: dict[str, str], status: int, said: str
) -> None:
    ran = await footnote.run(*args, **settings)
    assert ran.status == status, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.slow
async def test_a_source_that_is_not_configured_any_more_is_told_and_can_be_removed(footnote: Installation) -> None:
    await footnote.run("sync")
    assert "still configured" in (await footnote.run("remove", "folder")).err
    without = {"FOOTNOTE_FOLDER": ""}
    assert "footnote remove folder" in (await footnote.run("status", **without)).out
    removed = await footnote.run("remove", "folder", **without)
    assert removed.out == "folder: 2 documents removed\n"
    assert (await footnote.run("search", "leave", "--json", **without)).json["hits"] == []


@pytest.mark.slow
async def test_what_was_asked_and_done_stands_in_the_audit_log_whose_chain_is_checked(footnote: Installation) -> None:
    await footnote.run("sync")
    await footnote.run("ask", "How many days of paid leave do I have?")
    log = footnote.home / "d" / "audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["event"], line["who"]) for line in lines] == [
        ("audit.began", ""),
        ("command.run", "cli"),
        ("question.answered", "terminal:local"),
    ]
    assert lines[-1]["facts"]["cited"] == ["folder:leave.md"]
    whole = await footnote.run("audit", "verify")
    assert (whole.status, whole.out.split(": ")[1].split(";")[0]) == (0, "3 lines, unbroken")
    log.write_text(log.read_text().replace('"sync"', '"help"'))
    broken = await footnote.run("audit", "verify", str(log))
    assert broken.status == 1
    assert "line 2: it was changed" in broken.err
