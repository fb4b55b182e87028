"""The fictional company's questions through the real search and the assistant: no change makes answers worse unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bots.app import open_app
from bots.terminal.evaluating import Evaluation
from core.evaluation.report import Report
from core.settings import load_settings
from tests.floors import Floors
from tests.unit.core.evaluation.test_report import REPORT

COMPANY = Path(__file__).parents[1] / "data" / "company"
FLOORS = COMPANY / "floors.json"
CASES = 210
"""Two of three, of every kind: all of them take half a minute more."""


async def measured(data_dir: Path) -> Report:
    evaluation = Evaluation(folder=COMPANY, data=data_dir, kept=False, limit=CASES)
    async with open_app(load_settings(**evaluation.settings())) as app:
        return await evaluation.answered(app)


@pytest.mark.slow
async def test_the_company_is_answered_as_well_as_before(data_dir: Path, request: pytest.FixtureRequest) -> None:
    """With --update-golden the floors are noted anew: say in the commit why they may be lower."""
    report = await measured(data_dir)
    if request.config.getoption("--update-golden"):
        Floors.of(report).write(FLOORS)
    missed = Floors.read(FLOORS).missed(report)
    assert not missed, "\n".join(["answers got worse:", *missed])


def test_a_floor_that_is_not_reached_names_the_cases_that_got_worse(tmp_path: Path) -> None:
    outcomes = tuple(replace(one, values={**one.values, "phantom footnotes": 0.0}) for one in REPORT.outcomes)
    before = replace(REPORT, outcomes=outcomes)
    Floors.of(before).write(tmp_path / "floors.json")
    floors = Floors.read(tmp_path / "floors.json")
    assert floors.missed(before) == []

    first, *others = before.outcomes
    worse = replace(first, values={**first.values, "nDCG@10": 0.2, "phantom footnotes": 1.0})
    ndcg, phantoms = floors.missed(replace(before, outcomes=(worse, *others)))
    assert ndcg == "nDCG@10 is 0.856, less than 0.93. Cases that got worse: 1\n    l0: Question l0?"
    assert phantoms.startswith("phantom footnotes is 0.091, more than 0.00. Cases that got worse: 1\n    l0:")
