"""The audit log: a chain that several processes write, that no failure breaks, and no change escapes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from core.audit import Audit, question_facts, verify
from core.errors import ConfigError
from core.models import Audience
from tests.fakes import NOON

RECORDS = """
import sys
from pathlib import Path
from core.audit import Audit
audit = Audit(Path(sys.argv[1]))
for number in range(40):
    audit.record("question.answered", who=sys.argv[2], number=number, words="x" * (number * 50))
audit.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "audit.jsonl"


def recorded(path: Path, *events: str) -> None:
    audit = Audit(path, clock=lambda: NOON)
    for event in events:
        audit.record(event, who="slack:U1", where={"platform": "slack", "channel": "C1"})
    audit.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("footnote_audit_lines_total", {"outcome": outcome}) or 0.0


def test_a_line_says_when_what_who_where_and_what_line_was_before_it(path: Path) -> None:
    recorded(path, "question.answered")
    began, line = lines(path)
    assert (began["event"], began["prev"]) == ("audit.began", "")
    assert {**line, "hash": ""} == {
        "time": "2026-11-02T12:00:00+00:00",
        "event": "question.answered",
        "who": "slack:U1",
        "where": {"platform": "slack", "channel": "C1"},
        "facts": {},
        "prev": began["hash"],
        "hash": "",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_several_processes_share_one_chain(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", RECORDS, str(path), f"writer:{number}"]) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = verify(path)
    assert (found.lines, found.broken, found.cut_off) == (121, None, ())
    for number in range(3):
        own = [line["facts"]["number"] for line in lines(path) if line["who"] == f"writer:{number}"]
        assert own == list(range(40))


def changed(rows: list[bytes]) -> list[bytes]:
    return [*rows[:3], rows[3].replace(b"slack:U1", b"slack:U2"), *rows[4:]]


def sealed_anew(rows: list[bytes]) -> list[bytes]:
    """As somebody changes a line who knows how its hash is made."""
    line = json.loads(rows[3])
    line["who"] = "slack:U2"
    del line["hash"]
    text = json.dumps(line, separators=(",", ":")).encode()
    return [*rows[:3], text[:-1] + f',"hash":"{hashlib.sha256(text).hexdigest()}"}}\n'.encode(), *rows[4:]]


@pytest.mark.parametrize(
    ("tamper", "first"),
    [
        (changed, 4),
        (sealed_anew, 5),
        (lambda rows: rows[:3] + rows[4:], 4),
        (lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]], 4),
        (lambda rows: [*rows[:3], rows[2], *rows[3:]], 4),
        (lambda rows: [*rows[:3], rows[3][:40] + b"\n", *rows[4:]], 5),
    ],
    ids=["changed", "changed with its hash", "removed", "swapped", "doubled", "shortened"],
)
def test_the_first_line_that_does_not_fit_is_named(path: Path, tamper: Callable[[list[bytes]], list[bytes]], first: int) -> None:
    recorded(path, *("question.answered" for _ in range(7)))
    assert verify(path).broken is None
    path.write_bytes(b"".join(tamper(path.read_bytes().splitlines(keepends=True))))
    assert verify(path).broken == first


def test_a_line_that_a_crash_cut_off_is_left_as_it_is_and_the_chain_goes_on_over_it(path: Path) -> None:
    recorded(path, "question.answered", "question.answered")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    recorded(path, "question.answered")
    assert path.read_bytes().startswith(whole[:-30] + b"\n")
    found = verify(path)
    assert (found.broken, found.cut_off, found.lines) == (None, (3,), 4)


def test_a_last_line_longer_than_what_is_read_at_once_is_followed(path: Path) -> None:
    audit = Audit(path)
    audit.record("question.answered", who="slack:U1", returned=["x" * 200_000])
    audit.record("question.answered", who="slack:U1")
    audit.close()
    assert verify(path).broken is None


@pytest.mark.parametrize("name", ["audit.jsonl.1", "audit-2026-11.jsonl"])
def test_when_the_file_was_moved_away_a_new_one_names_it_and_its_last_hash(path: Path, name: str) -> None:
    audit = Audit(path)
    audit.record("question.answered", who="slack:U1")
    audit.close()
    last = verify(path).last_hash
    path.rename(path.with_name(name))
    audit.record("question.answered", who="slack:U1")
    audit.close()
    began, line = lines(path)
    assert (began["event"], began["facts"]["after"], began["prev"]) == ("audit.began", name, last)
    assert line["prev"] == began["hash"]
    assert verify(path).broken is None


@pytest.mark.parametrize("full", [True, False], ids=["full disk", "no such folder"])
def test_what_cannot_be_written_is_counted_and_logged_once(tmp_path: Path, full: bool) -> None:
    (tmp_path / "file").touch()
    before = counted("lost")
    audit = Audit(Path("/dev/full") if full else tmp_path / "file" / "audit.jsonl")
    with capture_logs() as logs:
        for _ in range(3):
            audit.record("question.answered", who="slack:U1")
        audit.close()
    assert [entry["event"] for entry in logs] == ["audit.failed"]
    assert counted("lost") == before + 3


def test_it_goes_on_as_soon_as_it_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "audit.jsonl"
    path.parent.touch()
    audit = Audit(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        audit.check()
    with capture_logs() as logs:
        audit.record("question.answered", who="slack:U1")
        audit.close()
        path.parent.unlink()
        audit.record("question.answered", who="slack:U2")
        audit.close()
    assert [entry["event"] for entry in logs] == ["audit.failed", "audit.recovered"]
    assert [line["who"] for line in lines(path)] == ["", "slack:U2"]
    assert audit.check() == str(path)


def test_recording_waits_for_nobody(path: Path) -> None:
    recorded(path, "question.answered")
    audit = Audit(path)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        started = time.perf_counter()
        for _ in range(100):
            audit.record("question.answered", who="slack:U1")
        assert time.perf_counter() - started < 0.5
        assert len(lines(path)) == 2
    audit.close()
    assert verify(path).lines == 102


def test_switched_off_it_writes_nothing() -> None:
    audit = Audit(None)
    audit.record("question.answered", who="slack:U1")
    audit.close()
    assert audit.check() == "off"


def test_the_same_words_have_the_same_hash_however_they_are_written() -> None:
    assert question_facts("How many  days?\n") == {**question_facts("how many days?"), "characters": 16}
    assert question_facts("how many days?") != question_facts("how many hours?")
    assert question_facts("\ud800?")["characters"] == 2


def test_of_an_audience_there_is_only_how_many_read_and_one_hash(path: Path) -> None:
    audit = Audit(path)
    for audience in (Audience.of({"user:ana@acme.com"}, {"user:ben@acme.com"}), Audience.of({"user:ben@acme.com"})):
        audit.record("question.answered", who="slack:U1", audience=audience)
    audit.close()
    two, one = (line["facts"]["audience"] for line in lines(path)[1:])
    assert (two["readers"], one["readers"]) == (2, 1)
    assert two["sha256"] != one["sha256"]
    assert "ana" not in path.read_text()


def test_a_secret_that_was_said_to_a_command_is_blotted_out(path: Path) -> None:
    audit = Audit(path)
    audit.command("reindex", "wiki", "xoxb-1234567890-abcdefghij", "https://acme.atlassian.net/wiki/spaces/HR/pages/7/Salaries")
    audit.close()
    text = path.read_text()
    assert "wiki" in text
    assert "abcdefghij" not in text
    assert "Salaries" not in text
    assert verify(path).broken is None
