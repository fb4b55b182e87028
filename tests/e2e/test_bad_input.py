"""Bad input through the front doors, as processes: each gets a clear message, the rest goes on, nothing is lost.

What a part does by itself with bad input is told by its own tests (readers, folder, gate, index, keeper, settings),
what is not meant for the bot by test_slack_silence.py and test_discord_silence.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bots.redis import connect_redis
from core.embedded.keeper import attach
from core.indexing.qdrant import connect
from tests.e2e.installation import Installation, processes_of
from tests.e2e.team import ANA, a_team
from tests.emulators.openai import Refuses

LEAVE = "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n"
QUESTION = "How many days of paid leave do I have?"


@pytest.fixture
def footnote(data_dir: Path) -> Installation:
    pages = data_dir / "pages"
    pages.mkdir()
    (pages / "leave.md").write_text(LEAVE)
    return Installation(
        data_dir, {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_FOLDER": str(pages), "FOOTNOTE_HTTP_PORT": "0"}
    )


def pages(footnote: Installation) -> Path:
    return footnote.home / "pages"


# Questions


@pytest.mark.slow
async def test_what_is_no_question_is_refused_in_words_and_what_is_one_in_any_bytes_is_answered(footnote: Installation) -> None:
    await footnote.run("sync")
    typed = [
        b"x " * 10_000,
        "🎉".encode(),
        b"Wie viele Urlaubstage habe ich?",
        "有給休暇は何日ありますか".encode(),
        "كم يوم إجازة لدي؟".encode(),
        b"\x00\x1b[31mHow many \xff\xfe days of \xed\xa0\x80 paid \xe2\x80\xaeleave do I have?",
    ]
    ran = await footnote.run("chat", typed=b"\n".join(typed) + b"\n")
    assert ran.status == 0
    assert ran.err == ""
    long, emoji, german, japanese, arabic, bytes_ = ran.out.split("\n? ")[1:7]
    assert "19,999 characters" in long
    assert "ask it in words" in emoji
    for answer in (german, japanese, arabic):
        assert "I did not find this" in answer or "[1]" in answer
    assert "thirty days" in bytes_
    assert "\x1b" not in ran.out


@pytest.mark.slow
async def test_an_argument_that_is_no_text_is_read_as_far_as_it_is(footnote: Installation) -> None:
    await footnote.run("sync")
    question = b"How many days of paid \xff\xed\xa0\x80leave?"
    for ran in await asyncio.gather(footnote.run("ask", question), footnote.run("search", question)):
        assert (ran.status, ran.err) == (0, "")
        assert "thirty days" in ran.out


@pytest.mark.slow
async def test_hostile_text_is_answered_or_refused_on_both_platforms_and_they_go_on(data_dir: Path) -> None:
    async with a_team(data_dir) as team, team.serving():
        await team.reindex()
        half = await team.slack.mention(ANA, "C1", "half \ud83d a pair of \udc00 paid leave")
        assert (await team.slack.until_reply(half)).shown
        for text in ("a\x00b \u202epaid leave\u202c", "有給休暇は何日ありますか"):
            assert (await team.slack.until_reply(await team.slack.mention(ANA, "C1", text))).shown
            assert (await team.discord.answer_to(await team.discord.mention(team.bo, team.general, text))).content
        await team.slack.mention(ANA, "C1", "x" * 20_000)
        assert "20,000 characters" in (await team.slack.until_whisper(ANA)).shown
        team.model.script(Refuses(status=401, code="invalid_api_key", message="Incorrect API key."))
        asked = await team.slack.mention(ANA, "C1", QUESTION)
        assert "thirty days" in (await team.slack.until_reply(asked)).shown


# Pages


@pytest.mark.slow
async def test_a_folder_of_broken_files_costs_only_those_files(footnote: Installation) -> None:
    root = pages(footnote)
    (root / "corrupt.docx").write_bytes(b"PK\x03\x04 not really")
    (root / "protected.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096))
    (root / "empty.pdf").write_bytes(b"")
    (root / "garbage.pdf").write_bytes(b"%PDF-1.7\n" + random.Random(1).randbytes(2000))
    with zipfile.ZipFile(root / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("[Content_Types].xml", "<Types/>")
        bomb.writestr("word/document.xml", bytes(20_000_000))
    with (root / "huge.md").open("wb") as huge:
        huge.truncate(60 * 2**20)
    (root / "binary.md").write_bytes(b"# A\0B")
    (root / "front.md").write_text("---\naccess: {who: knows\n---\n# Front\n\nThe secret is 4711.\n")
    (root / "closed").mkdir()
    (root / "closed" / ".access.toml").write_text("read = [\n")
    (root / "closed" / "page.md").write_text("# Closed\n\nThe secret is 4712.\n")
    (root / "loop").symlink_to(".")
    (root / "passwords.md").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe.md")
    for odd in (b"new\nline.md", b"by\xff\xfetes.md", "party 🎉 #1?%20.md".encode(), b"-rf.md"):
        (root / os.fsdecode(odd)).write_text("# Odd\n\nThe page with the odd name speaks of zebras.\n")

    ran = await footnote.run("sync", "--json")
    assert (ran.status, ran.err) == (0, "")
    report = next(report for report in ran.json if report["source"] == "folder")
    assert report["indexed"] == 5
    said = {name.removeprefix("folder:"): text for name, text in report["failed"].items()}
    expected = {
        "corrupt.docx": "damaged",
        "protected.docx": "password",
        "empty.pdf": "empty",
        "garbage.pdf": "damaged",
        "bomb.docx": "unpacks",
        "binary.md": "binary",
        "front.md": "front matter",
        "closed/page.md": ".access.toml",
    }
    assert said.keys() == expected.keys()
    for name, words in expected.items():
        assert words in said[name]
    assert sum(report["skipped"].values()) == 4

    found = await footnote.run("search", "secret 4711 4712 zebras", "--limit", "20", "--json")
    assert "4711" not in found.out
    assert "4712" not in found.out
    assert sum("zebras" in hit["text"] for hit in found.json["hits"]) == 4


@pytest.mark.slow
async def test_a_folder_that_vanishes_or_empties_takes_no_knowledge_with_it(footnote: Installation) -> None:
    await footnote.run("sync")
    pages(footnote).rename(footnote.home / "away")
    gone = await footnote.run("sync")
    pages(footnote).mkdir()
    emptied = await footnote.run("sync")
    assert (gone.status, emptied.status) == (1, 1)
    assert "is it mounted" in gone.out
    assert "nothing was removed" in emptied.out
    assert "thirty days" in (await footnote.run("search", "paid leave")).out


# Processes and data


@pytest.mark.slow
async def test_a_result_that_cannot_be_written_is_a_failure_without_a_traceback(footnote: Installation) -> None:
    await footnote.run("sync")
    with os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb") as full:
        process = await footnote.start("ask", QUESTION, stdout=full)
        _, err = await process.communicate()
    assert process.returncode == 1
    assert err == b"footnote: the operating system refused: [Errno 28] No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        process = await footnote.start("ask", QUESTION, stdout=nobody)
        _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"")


@pytest.mark.slow
async def test_closed_streams_and_a_poor_terminal_are_no_trouble(footnote: Installation) -> None:
    await footnote.run("sync")
    program = str(Path(sys.executable).with_name("footnote"))
    shell = ("sh", "-c", 'exec "$0" chat <&- >&- 2>&-', program)
    closed = await asyncio.create_subprocess_exec(*shell, cwd=footnote.home, env={**os.environ, **footnote.settings})
    assert await closed.wait() == 0
    poor = await footnote.run("ask", "Wie viel Käse gibt es?", PYTHONIOENCODING="ascii", TERM="dumb", HOME="/nonexistent")
    assert (poor.status, poor.err) == (0, "")
    assert "K?se" in poor.out


@pytest.mark.slow
async def test_a_chat_ends_at_once_when_it_is_interrupted_at_its_prompt(footnote: Installation) -> None:
    # In the background of a shell it is ignored, and what is ignored is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ours, theirs = os.openpty()
    with os.fdopen(ours, "wb"), os.fdopen(theirs, "rb") as keyboard:
        process = await footnote.start("chat", stdin=keyboard)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            await process.stdout.readuntil(b"? ")
        process.send_signal(signal.SIGINT)
        # Nobody types anything: one that waits for the line would wait for ever.
        async with asyncio.timeout(45):
            _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")


@pytest.mark.fault
async def test_a_sync_that_is_told_to_end_leaves_its_source_to_the_next(footnote: Installation) -> None:
    write_pages(pages(footnote), random.Random(3), 60)
    process = await footnote.start("sync")
    async with asyncio.timeout(60):
        while not processes_of(footnote.home):
            await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert (process.returncode, err) in {(143, b""), (0, b"")}
    began = time.monotonic()
    again = await footnote.run("sync", "--json")
    # A claim that was not given back would keep others away for 30 s.
    assert time.monotonic() - began < 25
    assert again.json[0]["status"] == "done"
    async with asyncio.timeout(15):
        while processes_of(footnote.home):
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(600)
async def test_after_a_sync_or_its_engines_were_killed_the_next_makes_the_index_equal_to_the_folder(
    footnote: Installation,
) -> None:
    chance = random.Random(5)
    write_pages(pages(footnote), chance, 40)
    for victim in ("sync", "keeper", "both"):
        write_pages(pages(footnote), chance, 12)
        process = await footnote.start("sync", stderr=asyncio.subprocess.DEVNULL)
        await asyncio.sleep(chance.uniform(1.5, 4))
        if victim != "sync":
            keeper = (footnote.home / "d" / "keeper.lock").read_text().strip()
            os.kill(int(keeper), signal.SIGKILL)
        if victim != "keeper" and process.returncode is None:
            process.kill()
        await process.communicate()
        assert (await footnote.run("sync")).status == 0
    fresh = Installation(footnote.home, {**footnote.settings, "FOOTNOTE_DATA_DIR": str(footnote.home / "fresh")})
    await fresh.run("sync")
    assert await chunks(footnote.home / "d") == await chunks(footnote.home / "fresh")


# What is not for others


@pytest.mark.slow
async def test_at_debug_no_log_key_or_payload_holds_a_token_and_no_log_a_word_of_what_people_say(data_dir: Path) -> None:
    said, written = "canary-of-the-question", "canary-of-the-page"
    async with a_team(data_dir) as team:
        (team.pages / "leave.md").write_text(LEAVE.replace("Unused", f"The {written} says: unused"))
        team.model.script(f"Everybody has thirty days, says the {written} [1].")
        log = data_dir / "log"
        with log.open("wb") as output:
            process = await team.footnote.start("serve", stdout=output, stderr=output, FOOTNOTE_LOG_LEVEL="debug")
            try:
                async with asyncio.timeout(120):
                    while b"footnote.ready" not in log.read_bytes():
                        assert process.returncode is None, log.read_text()
                        await asyncio.sleep(0.1)
                await team.reindex()
                question = f"How many days of paid leave, {said}?"
                asked = await team.slack.mention(ANA, "C1", question)
                assert written in (await team.slack.until_reply(asked)).shown
                in_private = await team.slack.dm(ANA, question)
                assert written in (await team.slack.until_reply(in_private)).shown
                there = await team.discord.mention(team.bo, team.general, question)
                assert written in (await team.discord.answer_to(there)).content
                team.model.script(Refuses(status=401, code="invalid_api_key", message=f"Incorrect API key: {team.model.key}"))
                assert (await team.slack.until_reply(await team.slack.mention(ANA, "C1", question))).shown
                keys, payloads = await stored(data_dir / "d")
            finally:
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                await process.wait()
        logs = log.read_text() + (data_dir / "d" / "keeper.log").read_text()
        tokens = (team.slack.bot_token, team.slack.app_token, team.discord.token, team.model.key)
    assert '"level": "debug"' in logs
    for token in tokens:
        assert token not in logs
        assert token not in keys
        assert token not in payloads
    for text in (said, written):
        assert text not in logs
        assert text not in keys
    assert written in payloads


def write_pages(folder: Path, chance: random.Random, count: int) -> None:
    words = "time year people way day thing woman life child world school state family".split()  # noqa: SIM905 - prose
    for number in chance.sample(range(60), count):
        sections = (f"## Part {part}\n\n{' '.join(chance.choices(words, k=60))}." for part in range(chance.randrange(1, 7)))
        (folder / f"p{number}.md").write_text(f"# Page {number}\n\n" + "\n\n".join(sections))


async def chunks(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Everything that an index holds, by chunk, but versions: a file gets one a while after its last change only."""
    engines = await attach(data_dir)
    client = connect(socket=engines.qdrant_socket)
    try:
        points, rest = await client.scroll("footnote", limit=10_000, with_payload=True, with_vectors=False)
        assert rest is None
        return {
            str(point.id): {field: value for field, value in (point.payload or {}).items() if field != "version"}
            for point in points
        }
    finally:
        await client.close()
        await engines.release()


async def stored(data_dir: Path) -> tuple[str, str]:
    """The names of all Redis keys, and all payloads of the index, as text."""
    engines = await attach(data_dir)
    redis = connect_redis(None, engines.redis_socket)
    try:
        return str(await redis.keys("*")), str(await chunks(data_dir))
    finally:
        await redis.aclose()
        await engines.release()
