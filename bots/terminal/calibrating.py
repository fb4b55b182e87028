"""`footnote eval calibrate`: how sure an answer must be here, from questions whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from core.answering.chain import HITS
from core.answering.evidence import collapse
from core.answering.quoting.quotes import COVERED, covered
from core.answering.refusing.confidence import Rule, Signs, names, nearest
from core.answering.refusing.wanted import has
from core.errors import UserError
from core.evaluation.calibration import LEAST, bands, logistic
from core.evaluation.cases import Case
from core.evaluation.metrics import auroc, interval
from core.evaluation.retrieval import query
from core.models import ANYONE

if TYPE_CHECKING:
    from bots.app import App
    from bots.terminal.evaluating import Evaluation

_FOLDS = 5
_SIGNS = ("coverage", "agreement", "lead", "nearest")
_FITTED = attrgetter(*_SIGNS)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a question found."""

    signs: Signs
    covered: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A question with the documents that answer it, and without them."""

    answered: Look
    removed: Look


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was asked for on the command line."""

    wrong: float
    """The share of questions with an answer that may be refused."""
    dry_run: bool = False

    async def here(self, app: App) -> int:
        """By what people asked in this workspace, over its own index."""
        await app.warm()
        rule = self._tell(await look(app, await rated(app)), app.rules.measured, await app.rules.rule())
        if not self.dry_run:
            await app.rules.keep(rule)
        return 0

    async def of(self, app: App, evaluation: Evaluation) -> int:
        """By a set, over an index of the set. What comes of it is kept where the workspace looks for it."""
        from bots.app import open_app
        from core.settings import load_settings

        await evaluation.index(app)
        cases = [case for case in evaluation.chosen.first(evaluation.limit) if case.answerable]
        rule = self._tell(await look(app, cases), app.rules.measured, app.rules.measured)
        if not self.dry_run:
            async with open_app(load_settings()) as workspace:
                await workspace.rules.keep(rule)
        return 0

    def _tell(self, pairs: Sequence[Pair], measured: Rule | None, now: Rule | None) -> Rule:
        rule = calibrated(pairs, measured, self.wrong)
        click.echo(f"{len(pairs)} questions, each with the documents that answer it and without them\n")
        click.echo(table(pairs, measured, now, self.wrong))
        click.echo(f"\nno answer below {rule.low:.2f}, an unsure one below {rule.high:.2f}")
        click.echo("nothing was changed: --dry-run" if self.dry_run else "in force within seconds; --undo takes it back")
        return rule


async def undo(app: App) -> int:
    await app.rules.forget()
    click.echo("as it comes with Footnote, within seconds")
    return 0


async def rated(app: App) -> list[Case]:
    """What people asked here and called a good answer; what it cites answers it."""
    found: dict[str, Case] = {}
    async for rating in app.feedback.ratings():
        said = rating.answered
        if rating.feedback.good and said.question and said.cited:
            documents = {cited.document_id: 1 for cited in said.cited}
            found[said.id] = Case(id=said.id, question=said.question, kind="rated", documents=documents)
    return list(found.values())


async def look(app: App, cases: Sequence[Case]) -> list[Pair]:
    """Raises UserError when there are too few, TransientError when the search does not answer."""
    pairs = []
    for case in cases:
        there = await _look(app, case)
        gone = await _look(app, case, without=tuple(case.documents))
        if there and gone:
            pairs.append(Pair(answered=there, removed=gone))
    if len(pairs) < LEAST:
        raise UserError(
            f"There are {len(pairs)} questions whose answers are known and found, and it takes {LEAST}: name a set of your own "
            "(`footnote eval calibrate SET`), or wait until people have called more answers good."
        )
    return pairs


async def _look(app: App, case: Case, without: tuple[str, ...] = ()) -> Look | None:
    found = await app.index.search(replace(query(case), without=without), ANYONE, HITS)
    evidence = collapse(found.hits)
    if not without and not any(id in case.documents for item in evidence for id in item.document_ids):
        # Not everybody may read what answers it, or it is gone: a refusal would be right.
        return None
    near = await nearest(case.question, evidence, app.embedder.embed_query)
    if found.signals is None or near is None:
        return None
    return Look(signs=Signs.of(found.signals, near, has(case.question, evidence)), covered=covered(case.question, evidence))


def calibrated(pairs: Sequence[Pair], measured: Rule | None, wrong: float) -> Rule:
    """Its weights as measured, where they were for this embedding model; else they are fitted, too."""
    rule = measured
    if rule is None:
        weights, bias = logistic(*([_FITTED(one.signs) for one in side] for side in _sides(pairs)))
        rule = Rule(**dict(zip(_SIGNS, weights, strict=True)), bias=bias, low=0.0, high=0.0)
    answered, removed = ([_probability(rule, one) for one in side] for side in _sides(pairs))
    found = bands(answered, removed, wrong)
    return replace(rule, low=found.low, high=found.high)


def table(pairs: Sequence[Pair], measured: Rule | None, now: Rule | None, wrong: float) -> str:
    """What is refused now, and after: each fifth of the questions by what the others gave."""
    before = [(now, pair) for pair in pairs]
    after = []
    for fold in range(_FOLDS):
        rule = calibrated([pair for at, pair in enumerate(pairs) if at % _FOLDS != fold], measured, wrong)
        after += [(rule, pair) for pair in pairs[fold::_FOLDS]]
    rows = [f"{'':6}  {'wrongly refused':22}  {'rightly refused':22}  AUROC"]
    for name, judged in (("now", before), ("after", after)):
        answered = [(rule, pair.answered) for rule, pair in judged]
        removed = [(rule, pair.removed) for rule, pair in judged]
        area = auroc([_doubt(*one) for one in removed], [_doubt(*one) for one in answered])
        rows.append(f"{name:6}  {_share(answered):22}  {_share(removed):22}  {area:.2f}")
    return "\n".join(rows)


def _sides(pairs: Sequence[Pair]) -> tuple[list[Look], list[Look]]:
    return [pair.answered for pair in pairs], [pair.removed for pair in pairs]


def _probability(rule: Rule, look: Look) -> float:
    # What has the question's words is answered in any case.
    return 1.0 if names(look.signs, look.covered) else rule.probability(look.signs)


def _refused(rule: Rule | None, look: Look) -> bool:
    return look.covered < COVERED if rule is None else _probability(rule, look) < rule.low


def _doubt(rule: Rule | None, look: Look) -> float:
    return -look.covered if rule is None else -rule.probability(look.signs)


def _share(judged: Sequence[tuple[Rule | None, Look]]) -> str:
    found = interval([float(_refused(*one)) for one in judged])
    assert found is not None
    return f"{found.mean:6.1%} ({found.low:.1%} to {found.high:.1%})"
