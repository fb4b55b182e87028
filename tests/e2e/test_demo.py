"""`footnote demo` as a newcomer types it: the sample pages answer, to each person what that person may read."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings

ROOT = Path(__file__).parents[2]
QUESTIONS: list[dict[str, Any]] = tomllib.loads((ROOT / "deploy" / "demo.toml").read_text())["questions"]


@pytest.mark.slow
async def test_the_demo_answers_its_questions_to_each_person_as_they_may_know(data_dir: Path) -> None:
    names = {name.upper() for name in Settings.model_fields}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("footnote"),
        "demo",
        cwd=data_dir,
        env={name: value for name, value in os.environ.items() if name not in names} | {"FOOTNOTE_DATA_DIR": str(data_dir / "d")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    shown = out.decode()
    assert process.returncode == 0, err.decode()
    assert "20 indexed" in shown

    rest = shown
    for question in QUESTIONS:
        readers = ", ".join(question.get("as", ["everyone"]))
        before, found, rest = rest.partition(f"{question.get('who', 'Somebody asks')}: {question['ask']}\n(read by {readers})\n")
        assert found, before
        answer, _, _ = rest.partition("(read by ")
        if expected := question.get("expect"):
            assert expected in answer
            assert "[1]" in answer
        else:
            assert "I did not find this" in answer
        for fact in question.get("never", ()):
            assert fact not in answer
    assert "DISCORD_BOT_TOKEN" in rest


def test_it_shows_what_a_channel_and_what_one_of_its_readers_is_answered() -> None:
    in_channel, alone = (question for question in QUESTIONS if "who" in question)

    assert in_channel["ask"] == alone["ask"]
    assert set(alone["as"]) < set(in_channel["as"])
    assert in_channel["expect"] != alone["expect"]
    assert all(fact not in in_channel["expect"] for fact in in_channel["never"])
