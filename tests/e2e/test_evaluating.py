"""`footnote eval …` over a small set: the real search and the real assistant, by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import Installation
from tests.emulators.openai import OpenAIServer, Request, answer_from_sources

PAGES = {
    "leave.md": "# Leave\n\nEverybody has thirty days of paid leave a year. Unused days expire at the end of March.\n",
    "travel.md": "# Travel\n\nTrains are booked in second class. A hotel may cost 140 euros a night.\n",
    "printers.md": "# Printers\n\nThe printer on the second floor is called Magpie. Error E-4711 means that its drum is full.\n",
}
QUESTIONS: list[dict[str, Any]] = [
    {"id": "1", "question": "How many days of paid leave do I have?", "kind": "lookup", "documents": ["leave.md"],
     "answer": "Thirty days", "facts": [["30 days", "thirty days"]]},
    {"id": "2", "question": "What does E-4711 mean?", "kind": "code", "documents": ["printers.md"], "facts": [["drum is full"]]},
    {"id": "3", "question": "And when do unused days expire?", "kind": "follow_up", "documents": ["leave.md"],
     "facts": [["March"]], "turns": [{"question": "How many days of paid leave do I have?", "answer": "Thirty days."}]},
    {"id": "4", "question": "Who won the chess championship of 1972?", "kind": "unanswerable"},
]  # fmt: skip


@pytest.fixture
def company(data_dir: Path) -> Path:
    folder = data_dir / "company"
    (folder / "pages").mkdir(parents=True)
    for name, text in PAGES.items():
        (folder / "pages" / name).write_text(text)
    (folder / "questions.jsonl").write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    return folder


@pytest.fixture
def footnote(data_dir: Path) -> Installation:
    # A team's own pages and platforms are none of an evaluation's business.
    return Installation(data_dir, {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_FOLDER": str(data_dir / "nowhere")})


@pytest.mark.slow
async def test_retrieval_is_measured_compared_with_the_last_time_and_taken_apart(footnote: Installation, company: Path) -> None:
    report, keep = company.parent / "report.json", company.parent / "k"
    first = await footnote.run("eval", "retrieval", str(company), "--keep", str(keep), "--json", str(report))
    assert first.status == 0, first.err
    assert "3 documents, 3 embedded now" in first.err
    measured = json.loads(report.read_text())["summary"]["metrics"]
    assert measured["all"]["nDCG@10"]["mean"] == 1.0
    assert measured["all"]["nDCG@10"]["n"] == 3
    assert set(measured) == {"all", "lookup", "code", "follow_up", "unanswerable"}

    (company / "pages" / "printers.md").unlink()
    questions = [question for question in QUESTIONS if question["id"] != "2"]
    (company / "questions.jsonl").write_text("".join(json.dumps(question) + "\n" for question in questions))
    again = await footnote.run(
        "eval", "retrieval", str(company), "--keep", str(keep), "--ablate", "--html", str(company.parent / "report.html")
    )
    assert again.status == 0, again.err
    assert "2 documents, 0 embedded now" in again.err
    assert "over 3 cases" in again.out
    assert all(row in again.out for row in ("BM25 alone", "dense alone", "without rare", "without headers", "without glossary"))
    assert "What each step adds" in (company.parent / "report.html").read_text()


@pytest.mark.slow
async def test_answers_in_quotes_are_measured_without_a_judge(footnote: Installation, company: Path) -> None:
    report = company.parent / "report.json"
    done = await footnote.run("eval", "answers", str(company), "--json", str(report))
    assert done.status == 0, done.err
    measured = json.loads(report.read_text())
    expected = {
        "wrongly refused": 0.0,
        "facts": 1.0,
        "citation recall": 1.0,
        "citation precision": 1.0,
        "rightly refused": 1.0,
        "phantom footnotes": 0.0,
        "nDCG@10": 1.0,
    }
    metrics = measured["summary"]["metrics"]["all"]
    assert {name: metrics[name]["mean"] for name in expected} == expected
    assert measured["how"]["model"] == "none: quotes"
    assert measured["summary"]["refusal_auroc"]["all"]["coverage"] == 1.0
    assert not (company.parent / "d").exists()


@pytest.mark.slow
async def test_a_model_answers_follow_ups_with_what_was_said_before_and_a_judge_is_named(
    footnote: Installation, company: Path
) -> None:
    def reply(request: Request) -> str:
        return "CORRECT" if "You grade" in request.prompt else answer_from_sources(request)

    report = company.parent / "report.json"
    async with OpenAIServer() as server:
        server.script(reply)
        model = {"OPENAI_API_KEY": server.key, "OPENAI_BASE_URL": server.url, "FOOTNOTE_MODEL": "openai:gpt-test"}
        done = await footnote.run("eval", "answers", str(company), "--judge", "openai:gpt-judge", "--json", str(report), **model)
        assert done.status == 0, done.err
        assert any("Thirty days." in request.prompt and "unused days" in request.prompt for request in server.requests)
        assert sum(request.body["model"] == "gpt-judge" for request in server.requests) == 3 * 2
    measured = json.loads(report.read_text())
    assert measured["how"]["model"] == "gpt-test"
    assert measured["how"]["judge"] == "gpt-judge, 3 trials an answer, instructions 1"
    assert measured["summary"]["metrics"]["all"]["judged"]["n"] == 2
