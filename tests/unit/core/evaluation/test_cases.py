"""Evaluation sets as people write them: what is taken, and what is said about what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import UserError
from core.evaluation.loading import load

LEAVE = {
    "id": "hr-1",
    "question": "How many days of leave?",
    "answer": "30 days",
    "facts": [["30 days", "thirty days"], "people portal"],
    "documents": ["people/leave.md"],
    "kind": "lookup",
}
CORPUS = [{"id": "d1", "title": "Leave", "text": "Thirty days."}, {"_id": "d2", "title": "Travel", "contents": "By train."}]


def written(folder: Path, name: str, rows: list[Any]) -> Path:
    (folder / name).write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return folder


def pages(folder: Path, *rows: Any, name: str = "questions.jsonl") -> Path:
    (folder / "pages").mkdir(exist_ok=True)
    return written(folder, name, list(rows))


def beir(folder: Path, *queries: Any, qrels: str = "query-id\tcorpus-id\tscore\nq1\td1\t1\n") -> Path:
    written(folder, "corpus.jsonl", CORPUS)
    (folder / "qrels.tsv").write_text(qrels)
    return written(folder, "queries.jsonl", list(queries))


def test_a_case_names_pages_by_their_paths_and_facts_with_their_wordings(tmp_path: Path) -> None:
    (case,) = load(pages(tmp_path, LEAVE)).cases
    assert case.documents == {"folder:people/leave.md": 1}
    assert case.facts == (("30 days", "thirty days"), ("people portal",))
    assert case.answerable


def test_questions_may_lie_in_several_files_and_turns_come_before_them(tmp_path: Path) -> None:
    pages(tmp_path, LEAVE)
    turns = [{"question": "How many days of leave?", "answer": "Thirty."}]
    pages(tmp_path, LEAVE | {"id": "hr-2", "turns": turns}, "", name="questions-more.jsonl")
    chosen = load(tmp_path)
    assert {case.id: case.turns for case in chosen.cases} == {"hr-1": (), "hr-2": (("How many days of leave?", "Thirty."),)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{'id': 1}", "line 2: this is not JSON"),
        ("[1]", "line 2: this is not a JSON object"),
        (LEAVE | {"id": ""}, "line 2: `id` is missing"),
        (LEAVE, "line 2: the id hr-1 is taken by"),
        (LEAVE | {"id": "x", "documents": []}, "line 2: case x is of the kind lookup and names no documents"),
        (LEAVE | {"id": "x", "kind": "unanswerable"}, "line 2: case x is of the kind unanswerable and names documents"),
        (LEAVE | {"id": "x", "docs": []}, "line 2: docs means nothing here"),
        (LEAVE | {"id": "x", "facts": "30 days"}, "line 2: the facts must be a list"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(tmp_path: Path, row: Any, said: str) -> None:
    with pytest.raises(UserError) as raised:
        load(pages(tmp_path, LEAVE, row))
    assert f"questions.jsonl, {said}" in str(raised.value)


def test_a_page_that_is_not_there_is_named_with_its_case(tmp_path: Path) -> None:
    chosen = load(pages(tmp_path, LEAVE))
    chosen.check({"folder:people/leave.md"})
    with pytest.raises(UserError, match=r"line 1: case hr-1 names folder:people/leave\.md"):
        chosen.check({"folder:people/holidays.md"})


def test_a_folder_without_a_set_says_what_one_looks_like(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it needs `pages/` with `questions"):
        load(tmp_path)


def test_a_published_corpus_is_read_in_the_spellings_that_there_are(tmp_path: Path) -> None:
    chosen = load(beir(tmp_path, {"_id": "q1", "query": "How many?", "answer": "30", "alternatives": ["thirty"], "type": "fact"}))
    assert [(document.id, document.title, document.body) for document in chosen.corpus] == [
        ("d1", "Leave", "Thirty days."),
        ("d2", "Travel", "By train."),
    ]
    (case,) = chosen.cases
    assert (case.question, case.documents, case.kind, case.facts) == ("How many?", {"d1": 1}, "fact", (("30", "thirty"),))


@pytest.mark.parametrize("head", ["query-id\tcorpus-id\tscore\n", ""])
@pytest.mark.parametrize("line", ["q1\td1\t2\n", "q1\t0\td1\t2\n", "q1 0 d1 2\n"])
def test_judgements_come_with_and_without_a_head_line_in_three_columns_or_four(tmp_path: Path, head: str, line: str) -> None:
    (case,) = load(
        beir(tmp_path, {"id": "q1", "text": "How many?"}, qrels=head + line + "q1\td2\t0\n".replace("\t", line[2]))
    ).cases
    assert case.documents == {"d1": 2}


def test_questions_without_a_judgement_are_counted_and_those_without_an_answer_kept(tmp_path: Path) -> None:
    chosen = load(
        beir(
            tmp_path,
            {"id": "q1", "text": "How many?"},
            {"id": "q2", "text": "Nobody judged this."},
            {"id": "q3", "text": "Who is the king?", "answerable": False},
            {"id": "q4", "text": "How many in 1970?", "answerability": "UNANSWERABLE"},
            qrels="q1\td1\t1\nq4\td1\t1\n",
        )
    )
    assert chosen.unjudged == 1
    assert {case.id: (case.kind, case.near) for case in chosen.cases if not case.answerable} == {
        "q3": ("unanswerable", ()),
        "q4": ("fact_missing", ("d1",)),
    }


@pytest.mark.parametrize(
    "spelling",
    [
        {"turns": [{"question": "Leave?", "answer": "Thirty days."}, {"question": "Unused?"}]},
        {"history": [["Leave?", "Thirty days."], ["Unused?", ""]]},
        {"history": [{"user": "Leave?", "assistant": "Thirty days."}, {"user": "Unused?"}]},
        {"messages": [{"role": "user", "content": "Leave?"}, {"role": "assistant", "content": "Thirty days."},
                      {"role": "user", "content": "Unused?"}]},
        {"conversation": ["Leave?", "Thirty days.", "Unused?"]},
        {"context": [{"speaker": "user", "text": "Leave?"}, {"speaker": "agent", "text": "Thirty days."},
                     {"speaker": "user", "text": "Unused?"}, {"speaker": "user", "text": "And then?"}]},
    ],
)  # fmt: skip
def test_a_conversation_is_read_however_it_is_spelled(tmp_path: Path, spelling: dict[str, Any]) -> None:
    (case,) = load(beir(tmp_path, {"id": "q1", "text": "And then?", **spelling})).cases
    assert case.turns == (("Leave?", "Thirty days."), ("Unused?", ""))


def test_a_conversation_that_cannot_be_read_says_how_one_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"queries\.jsonl, line 1: turn 1 of the conversation cannot be read"):
        load(beir(tmp_path, {"id": "q1", "text": "And then?", "turns": [{"said": "Leave?"}]}))


def test_a_broken_judgement_and_a_missing_file_of_them_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"qrels\.tsv, line 2: write query-id, corpus-id and score"):
        load(beir(tmp_path, {"id": "q1", "text": "How many?"}, qrels="q1\td1\t1\nq1\td2\tgood\n"))
    (tmp_path / "qrels.tsv").unlink()
    with pytest.raises(UserError, match=r"has no qrels\.tsv"):
        load(tmp_path)


def test_some_of_the_cases_are_spread_over_all_of_them(tmp_path: Path) -> None:
    chosen = load(pages(tmp_path, *(LEAVE | {"id": str(number)} for number in range(10))))
    assert [case.id for case in chosen.first(3)] == ["0", "3", "6"]
    assert len(chosen.first(None)) == len(chosen.first(50)) == 10
