"""`footnote eval …`: a set of cases through the real parts, in a data dir of its own, and what comes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bots.terminal.asking import asking, collapsed, sureness, understood
from bots.terminal.demo import ALONE
from core.errors import ConfigError, UserError
from core.evaluation.cases import CaseSet
from core.evaluation.loading import load
from core.models import now

if TYPE_CHECKING:
    from bots.app import App
    from bots.terminal.case_index import Indexed
    from core.evaluation.judge import Judge
    from core.evaluation.outcome import Outcome
    from core.evaluation.report import Report
    from core.evaluation.retrieval import Step


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was asked for on the command line."""

    folder: Path
    data: Path
    """A temporary folder, or the one that keeps indexes and the last reports."""
    kept: bool
    json: Path | None = None
    html: Path | None = None
    against: Path | None = None
    limit: int | None = None
    ablate: bool = False
    judge: str = ""
    trials: int = 3

    @cached_property
    def chosen(self) -> CaseSet:
        return load(self.folder)

    @cached_property
    def data_dir(self) -> Path:
        from bots.terminal.case_index import kept_in

        return kept_in(self.data, self.chosen)

    def settings(self) -> dict[str, Any]:
        """Overrides. The models stay as they are configured: they are what is measured."""
        return {
            **ALONE,
            "footnote_data_dir": self.data_dir,
            "footnote_folder": self.chosen.pages,
            "footnote_daily_tokens": None,
            "footnote_daily_tokens_per_person": None,
        }

    async def retrieval(self, app: App) -> int:
        from core.evaluation.retrieval import retrieve

        cases = self.chosen.first(self.limit)
        index = await self.index(app)
        outcomes = await retrieve(cases, understood(app, app.index.search), collapsed, sureness(app))
        steps: Sequence[Step] = ()
        if self.ablate:
            from bots.terminal.ablating import ablation

            steps = await ablation(app, self.chosen, cases, outcomes)
        self._tell(self._report(app, index, "retrieval", outcomes, steps=steps))
        return 0

    async def answers(self, app: App) -> int:
        self._tell(await self.answered(app))
        return 0

    async def answered(self, app: App) -> Report:
        from core.answering.model import name_of
        from core.evaluation import answers
        from core.evaluation.retrieval import retrieve

        judge = self._judge(app)
        cases = self.chosen.first(self.limit)
        index = await self.index(app)
        retrieved = await retrieve(cases, understood(app, app.index.search), collapsed, sureness(app))
        outcomes = await answers.answer(cases, asking(app), index.texts, retrieved)
        how = {"model": name_of(app.model) if app.model else "none: quotes"}
        if judge:
            from core.evaluation.judge import VERSION

            outcomes = await judge.judge(outcomes)
            how["judge"] = f"{judge.name}, {judge.trials} trials an answer, instructions {VERSION}"
        return self._report(app, index, "answers", outcomes, how=how)

    async def index(self, app: App) -> Indexed:
        from bots.terminal.case_index import indexed

        where = f"kept in {self.data_dir}" if self.kept else "--keep DIR keeps the index for the next time"
        click.echo(f"indexing {self.chosen.name} ({where})", err=True)
        index = await indexed(app, self.chosen)
        click.echo(f"{len(index.documents)} documents, {index.embedded} embedded now", err=True)
        await app.warm()
        return index

    def _judge(self, app: App) -> Judge | None:
        if not self.judge:
            return None
        from langchain_core.messages import HumanMessage, SystemMessage

        from core.answering.model import build_model, name_of, stream
        from core.evaluation.judge import Judge

        model = build_model(app.settings.model_copy(update={"footnote_model": self.judge}))
        if model is None:
            raise ConfigError("--judge is empty: name a model, for example openai:gpt-5.4")
        silence = app.settings.footnote_model_timeout.total_seconds()

        async def say(instructions: str, material: str) -> str:
            prompt = [SystemMessage(instructions), HumanMessage(material)]
            return "".join([piece async for piece in stream(model, prompt, silence)])

        return Judge(name=name_of(model), say=say, trials=self.trials)

    def _report(
        self,
        app: App,
        index: Indexed,
        command: str,
        outcomes: Sequence[Outcome],
        *,
        how: Mapping[str, str] | None = None,
        steps: Sequence[Step] = (),
    ) -> Report:
        from core.evaluation.report import Report

        named = {id for one in outcomes for id in (*one.expected, *one.found)} & index.documents.keys()
        return Report(
            command=command,
            set_name=self.chosen.name,
            made_at=now(),
            documents=len(index.documents),
            how={"footnote": version("footnote"), "embeddings": app.embedder.name, **(how or {})},
            outcomes=tuple(outcomes),
            steps=tuple(steps),
            titles={id: index.documents[id].title for id in named},
            links={id: index.documents[id].url for id in named},
        )

    def _tell(self, report: Report) -> None:
        from bots.terminal.evaluation_table import tables
        from core.evaluation.page import page
        from core.evaluation.report import compare, read

        if self.chosen.unjudged:
            click.echo(f"{self.chosen.unjudged} questions were left out: nobody said what answers them", err=True)
        kept = self.data_dir / f"{report.command}.json"
        last = self.against or next((file for file in (self.json, kept) if file and file.exists()), None)
        against = compare(report, read(last)) if last else None
        click.echo(tables(report, against))
        written = report.as_json()
        for file in (self.json, kept if self.kept else None):
            if file:
                _write(file, written)
        if self.html:
            _write(self.html, page(report, against).encode())
            click.echo(f"{self.html}: open it in a browser", err=True)


@contextmanager
def evaluation(*, keep: Path | None, **wanted: Any) -> Iterator[Evaluation]:
    """In a folder that is gone afterwards, unless it is to be kept."""
    if keep:
        yield Evaluation(data=keep, kept=True, **wanted)
        return
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as folder:
        yield Evaluation(data=Path(folder), kept=False, **wanted)


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.") from error
