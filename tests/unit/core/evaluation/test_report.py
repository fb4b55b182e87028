"""Reports: kept, compared, and drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from lxml import html

from core.errors import UserError
from core.evaluation.metrics import Interval
from core.evaluation.outcome import Outcome
from core.evaluation.page import page
from core.evaluation.report import Report, compare, read, worst
from core.evaluation.retrieval import Step


def outcome(id: str, ndcg: float | None, *, kind: str = "lookup", surety: float = 0.8, **fields: str) -> Outcome:
    values = {"ms": 10.0, "source precision": 1.0} | ({"nDCG@10": ndcg, "source recall": 1.0} if ndcg is not None else {})
    return Outcome(
        id=id,
        question=f"Question {id}?",
        kind=kind,
        values=values,
        expected=("wiki:a",) if ndcg is not None else (),
        found=("wiki:a", "wiki:<b>"),
        signals={"coverage": surety},
        **fields,
    )


REPORT = Report(
    command="retrieval",
    set_name="company",
    made_at=datetime(2026, 11, 1, 12, tzinfo=UTC),
    documents=2,
    how={"embeddings": "<local>"},
    outcomes=(
        *(outcome(f"l{number}", 1.0) for number in range(8)),
        outcome("t1", 0.5, kind="typo"),
        outcome("u1", None, kind="unanswerable", surety=0.1),
        outcome("m1", None, kind="fact_missing", surety=0.8),
    ),
    steps=(Step(name="without rare", metrics={"nDCG@10": 0.9}, adds={"nDCG@10": Interval(mean=0.04, low=0.01, high=0.07, n=9)}),),
    titles={"wiki:a": "Leave & more", "wiki:<b>": "<script>"},
    links={"wiki:a": "https://wiki.acme.com/a?x=1&y=2", "wiki:<b>": "javascript:alert(1)"},
)


def changed(**ndcg: float) -> Report:
    outcomes = tuple(
        replace(one, values={**one.values, "nDCG@10": ndcg[one.id]}) if one.id in ndcg else one for one in REPORT.outcomes
    )
    return replace(REPORT, outcomes=outcomes, made_at=datetime(2026, 11, 2, tzinfo=UTC))


def test_a_report_is_read_again_as_it_was_written_and_tells_others_its_means(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(REPORT.as_json())
    assert read(file) == REPORT
    summary = orjson.loads(file.read_bytes())["summary"]
    assert summary["metrics"]["all"]["nDCG@10"]["mean"] == pytest.approx(8.5 / 9)
    assert summary["metrics"]["typo"]["nDCG@10"]["mean"] == pytest.approx(0.5)
    assert "score" in summary["metrics"]["all"]
    assert summary["refusal_auroc"] == {
        "all": {"coverage": 0.75},
        "unanswerable": {"coverage": 1.0},
        "fact_missing": {"coverage": 0.5},
    }
    assert summary["milliseconds"] == {"p50": 10.0, "p95": 10.0}


def test_a_file_that_is_no_report_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text('{"command": "retrieval"}')
    with pytest.raises(UserError, match=r"report\.json is no report of `footnote eval`"):
        read(file)


def test_cases_that_moved_are_told_and_a_difference_within_chance_is_not_called_one() -> None:
    against = compare(changed(t1=1.0, l0=0.4), REPORT)
    assert [(each.case.id, each.values) for each in against.better] == [("t1", {"nDCG@10": (0.5, 1.0)})]
    assert [(each.case.id, each.values) for each in against.worse] == [("l0", {"nDCG@10": (1.0, 0.4)})]
    (ndcg,) = (change for change in against.metrics if change.metric == "nDCG@10")
    assert ndcg.by.mean == pytest.approx(-0.1 / 9)
    assert ndcg.better is None


def test_a_difference_beyond_chance_has_a_direction() -> None:
    against = compare(changed(**{f"l{number}": 0.5 for number in range(8)}), REPORT)
    (ndcg,) = (change for change in against.metrics if change.metric == "nDCG@10")
    assert ndcg.better is False


def test_only_cases_with_the_same_question_are_compared() -> None:
    other = replace(REPORT, outcomes=tuple(replace(one, question="Another?") for one in REPORT.outcomes))
    assert compare(REPORT, other).shared == 0
    with pytest.raises(UserError, match="says nothing beside"):
        compare(REPORT, replace(REPORT, command="answers"))


def test_the_worst_cases_come_first_and_good_ones_not_at_all() -> None:
    assert [one.id for one in worst(changed(l3=0.1).outcomes, 5)] == ["l3", "t1"]


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    written = page(REPORT, compare(REPORT, changed(t1=1.0)))
    tree = html.fromstring(written)
    assert tree.xpath("//script | //img | //link | //iframe | //@onclick") == []
    assert tree.xpath("//a/@href") == ["https://wiki.acme.com/a?x=1&y=2"] * len(tree.xpath("//a"))
    assert "default-src 'none'" in tree.xpath("//meta[@http-equiv]/@content")[0]
    assert tree.xpath("//meta[@name='viewport']")
    assert "prefers-color-scheme" in written or "light-dark(" in written


def test_each_chart_has_its_table() -> None:
    tree = html.fromstring(page(REPORT, compare(changed(t1=1.0), REPORT)))
    charts = tree.xpath("//figure")
    assert len(charts) == 5
    for chart in charts:
        (rows,) = (beside.xpath(".//tr") for beside in chart.xpath("following-sibling::details[1]"))
        labels = chart.xpath("./div/span[1]/text()")
        assert set(labels) <= {row.xpath("string(./td[1])") for row in rows}


def test_the_page_tells_which_cases_moved_and_from_where_to_where() -> None:
    text = html.fromstring(page(changed(t1=1.0), compare(changed(t1=1.0), REPORT))).text_content()
    assert "Better: 1" in text
    assert "nDCG@10 0.50 → 1.00" in text
    assert "Worse: 0" in text
