"""``footnote ...``: each command reads the settings, opens the parts that it needs, and prints.

Only light modules are imported here: ``footnote --help`` must be instant.
Exit status: 0 done, 1 a failure, 2 bad usage or settings.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bots.terminal import streams
from core.errors import ConfigError, FootnoteError

if TYPE_CHECKING:
    from bots.app import App
    from core.settings import Settings


def _readers(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    from core.principals import parse_principal

    try:
        return tuple(parse_principal(name) for name in names)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


AS_HELP = "Reader of the answer, e.g. user:ana@acme.com. Repeatable: then all of them must be allowed to see it."
as_option = click.option("readers", "--as", metavar="PRINCIPAL", multiple=True, callback=_readers, help=AS_HELP)
json_option = click.option("as_json", "--json", is_flag=True, help="Print JSON.")


def _run(
    work: Callable[[App], Awaitable[int]], *, level: str | None = None, overrides: Callable[[], dict[str, Any]] = dict
) -> None:
    """Open the parts, do the work, exit with its status."""
    try:
        from core.settings import load_settings

        settings = load_settings(**overrides())
        _log(settings, level)
        status = asyncio.run(_within(settings, work))
    except ConfigError as error:
        _fail(str(error), 2)
    except FootnoteError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        streams.give_up()
        sys.exit(1)
    except OSError as error:
        streams.give_up()
        _fail(f"the operating system refused: {error}", 1)
    sys.exit(status)


async def _within(settings: Settings, work: Callable[[App], Awaitable[int]]) -> int:
    # Ended in order, like by Ctrl-C: a sync that is cut off would keep its source to itself for a while.
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    from bots.app import open_app

    async with open_app(settings) as app:
        return await work(app)


def _log(settings: Settings, level: str | None) -> None:
    from core.telemetry import configure_logging

    # One-off commands print their result; only what is wrong belongs beside it, unless more was asked for.
    wanted = settings.footnote_log_level
    configure_logging(level if level and wanted == "info" else wanted, settings.footnote_log_format, settings.secrets)


def _fail(text: str, status: int) -> None:
    from core.redaction import redact

    # It names settings with their values, and a token may have been pasted into any of them.
    click.echo(f"footnote: {redact(text)}", err=True)
    sys.exit(status)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="footnote")
def main() -> None:
    """Answers in Slack, Discord and the terminal from your team's own pages, every statement with its footnote."""
    streams.settle()


@main.command()
def demo() -> None:
    """Index the bundled sample pages and answer questions about them as different people."""
    from bots.terminal import demo

    _run(demo.demo, level="error", overrides=demo.settings)


@main.command()
def serve() -> None:
    """Run everything in one process: platforms, scheduler, sync worker, health and metrics."""
    _serve(bots=True, worker=True)


@main.command()
def bots() -> None:
    """Run the platforms only; with `footnote worker` on other machines."""
    _serve(bots=True, worker=False)


@main.command()
def worker() -> None:
    """Run the scheduler and the sync worker only."""
    _serve(bots=False, worker=True)


def _serve(*, bots: bool, worker: bool) -> None:
    started = time.perf_counter()

    async def work(app: App) -> int:
        from bots.serve import serve

        if not (bots and worker):
            app.require_servers()
        await serve(app, bots=bots, worker=worker, started=started)
        return 0

    _run(work)


@main.command()
@click.argument("question")
@as_option
@click.option("--conversation", metavar="ID", help="Remember this conversation; a follow-up uses the same ID.")
@json_option
def ask(question: str, readers: tuple[str, ...], conversation: str | None, as_json: bool) -> None:
    """Answer QUESTION with footnotes."""

    async def work(app: App) -> int:
        from bots.terminal import chat as terminal

        reply = terminal.JsonReply() if as_json else terminal.TerminalReply()
        await app.warm()
        await terminal.ask(app.terminal, reply, question, await app.audience(readers), conversation)
        if isinstance(reply, terminal.JsonReply):
            _print_json(reply.result())
        await _tell_if_nothing_is_indexed(app)
        return 0 if reply.resolved else 1

    _run(work, level="error")


async def _tell_if_nothing_is_indexed(app: App) -> None:
    if not await app.index.counts():
        hint = "set FOOTNOTE_FOLDER, CONFLUENCE_URL or GOOGLE_DRIVE_FOLDERS, and run `footnote sync`"
        click.echo(f"footnote: nothing is indexed yet: {hint}", err=True)


@main.command()
@as_option
@click.option("--conversation", metavar="ID", default="chat", show_default=True, help="Which conversation to go on with.")
def chat(readers: tuple[str, ...], conversation: str) -> None:
    """Ask question after question; the conversation is remembered."""

    async def work(app: App) -> int:
        from bots.terminal import chat as terminal

        await app.warm()
        await terminal.chat(app.terminal, await app.audience(readers), conversation)
        return 0

    _run(work, level="error")


@main.command()
@click.argument("query")
@as_option
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@json_option
def search(query: str, readers: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Retrieve without answering: the best passages for QUERY."""

    async def work(app: App) -> int:
        started = time.perf_counter()
        from core.models import Query

        hits = (await app.index.search(Query(text=query), await app.audience(readers), limit)).hits
        total = (time.perf_counter() - started) * 1000
        if as_json:
            rows = [
                {
                    "document_id": hit.chunk.document_id,
                    "title": hit.chunk.title,
                    "url": hit.chunk.url,
                    "headings": list(hit.chunk.headings),
                    "text": hit.chunk.text,
                    "score": hit.score,
                }
                for hit in hits
            ]
            _print_json({"hits": rows, "timings": {"search": total}})
            return 0
        await _tell_if_nothing_is_indexed(app)
        for hit in hits:
            click.secho(" > ".join((hit.chunk.title, *hit.chunk.headings)), bold=True, nl=False)
            click.echo(f"  {hit.score:.3f}  {hit.chunk.document_id}\n{hit.chunk.text}\n")
        if not hits:
            click.echo("Nothing was found that these readers may read.")
        return 0

    _run(work, level="error")


words_argument = click.argument("words", nargs=-1, metavar="[SOURCE]... [SCOPE]")


@main.command()
@words_argument
@json_option
def sync(words: tuple[str, ...], as_json: bool) -> None:
    """Fetch what changed in the sources (all, if none is named), now.

    SCOPE is a space, a folder, a document's address, or `failed`: only that part is read.
    """
    _sync(words, as_json)


@main.command()
@words_argument
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--prune", is_flag=True, help="Remove what vanished from the source, however much it is.")
@click.option("--force", is_flag=True, help="Embed unchanged documents again, and remove what vanished.")
@json_option
def reindex(words: tuple[str, ...], dry_run: bool, prune: bool, force: bool, as_json: bool) -> None:
    """Read the sources (all, if none is named) from the beginning, now; unchanged documents are skipped.

    SCOPE is a space, a folder, a document's address, or `failed`: only that part is read.
    """
    _sync(words, as_json, full=True, dry_run=dry_run, prune=prune, force=force)


def _sync(words: tuple[str, ...], as_json: bool, **flags: bool) -> None:
    async def work(app: App) -> int:
        from bots.terminal import sync

        app.audit.command("reindex" if flags else "sync", *words, *(name for name, given in flags.items() if given))
        states = await sync.run(app, words, quiet=as_json, **flags)
        if as_json:
            _print_json([sync.report(state) for state in states])
        return 0 if all(sync.succeeded(state) for state in states) else 1

    _run(work, level="error")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", default="", help="What it is called; by default its name.")
@click.option(
    "readers",
    "--access",
    metavar="PRINCIPAL",
    multiple=True,
    required=True,
    callback=_readers,
    help="Who may read it: everyone, user:ana@acme.com, group:NAME, channel:slack:ID ... Repeatable: then any of them may.",
)
def add(file: Path, title: str, readers: tuple[str, ...]) -> None:
    """Add FILE to what Footnote knows; it can be asked about at once. A newer version takes the place of the older one."""

    async def work(app: App) -> int:
        from bots.terminal import adding

        click.echo(await adding.add(app, file, title, readers))
        return 0

    _run(work, level="error")


@main.command()
@json_option
def uploads(as_json: bool) -> None:
    """List the files that were added, in chat and here."""

    async def work(app: App) -> int:
        from bots.terminal import adding

        files = await adding.listed(app)
        if as_json:
            _print_json([adding.row(file) for file in files])
        else:
            click.echo("\n".join(map(adding.line, files)) or "Nobody added a file yet.")
        return 0

    _run(work, level="error")


@main.command()
@click.argument("source", metavar="SOURCE_OR_ID")
def remove(source: str) -> None:
    """Take SOURCE, which is not configured any more, out of the index, or remove a file that was added, by its ID."""

    async def work(app: App) -> int:
        from bots.terminal import adding, sync

        app.audit.command("remove", source)
        if source.startswith("uploads:"):
            click.echo(await adding.remove(app, source))
            return 0
        click.echo(f"{source}: {await sync.remove(app, source)} documents removed")
        return 0

    _run(work, level="error")


@main.group()
def forget() -> None:
    """Delete what is kept of a person, or take a document out of the index for good."""


@forget.command("person")
@click.argument("person")
def forget_person(person: str) -> None:
    """Delete the questions of PERSON, slack:U123 or discord:456, with all that is kept of them."""

    async def work(app: App) -> int:
        app.audit.command("forget person", person)
        click.echo(await app.forget.person(person))
        return 0

    _run(work, level="error")


@forget.command("document")
@click.argument("name", metavar="ADDRESS_OR_ID")
@click.option("--all", "every", is_flag=True, help="All documents of that name: a page with what hangs on it.")
@click.option("--undo", is_flag=True, help="Let the next sync bring it back.")
def forget_document(name: str, every: bool, undo: bool) -> None:
    """Take a document out of the index: no sync brings it back, until --undo."""

    async def work(app: App) -> int:
        click.echo(await app.forget.document(name, "cli", undo=undo, every=every))
        return 0

    _run(work, level="error")


@main.command()
@json_option
def status(as_json: bool) -> None:
    """Show how fresh each source is, and which parts are up."""

    async def work(app: App) -> int:
        from bots.terminal import sync

        found = await sync.status(app)
        if as_json:
            _print_json(found.as_json())
        else:
            click.echo(found.as_text())
        return 0 if found.up else 1

    _run(work, level="error")


@main.command()
@as_option
@click.option("--done", metavar="ID", help="Take this gap off the list, until somebody asks again.")
@json_option
def gaps(readers: tuple[str, ...], done: str | None, as_json: bool) -> None:
    """Show what people asked and the pages do not answer, what most people miss first."""

    async def work(app: App) -> int:
        audience = await app.audience(readers)
        if done:
            app.audit.command("gaps", "done", done)
            click.echo(await app.gap_list.done(done, "cli"))
        elif as_json:
            _print_json(await app.gap_list.rows(audience))
        else:
            text, buttons = await app.gap_list.told(audience, shown=sys.maxsize)
            click.echo(text)
            if buttons:
                click.echo("\nNothing left to write about one of them: footnote gaps --done ID, with the id that --json tells.")
        return 0

    _run(work, level="error")


@main.command()
@json_option
def feedback(as_json: bool) -> None:
    """Export what people said of answers, for evaluation: questions, passages with their scores, reasons; nobody's id."""

    async def work(app: App) -> int:
        app.audit.command("feedback")
        ratings = [rating async for rating in app.feedback.ratings()]
        if as_json:
            _print_json([rating.as_row() for rating in ratings])
            return 0
        from collections import Counter

        counts = Counter("good" if rating.feedback.good else rating.feedback.reason or "bad" for rating in ratings)
        click.echo(
            f"{len(ratings)} ratings: {', '.join(f'{name} {count}' for name, count in counts.most_common())}"
            if ratings
            else "No ratings yet."
        )
        return 0

    _run(work, level="error")


@main.command()
@click.argument("address")
def link(address: str) -> None:
    """Print a code that links the Discord account of ADDRESS, ana@acme.com, with it: /link there, within ten minutes."""

    async def work(app: App) -> int:
        app.audit.command("link", address)
        click.echo(await app.links.issue(address))
        return 0

    _run(work, level="error")


@main.command()
@click.argument("name")
def unlink(name: str) -> None:
    """Take the links of NAME away: an address, ana@acme.com, or an account, discord:456."""

    async def work(app: App) -> int:
        app.audit.command("unlink", name)
        click.echo(f"links taken away from {name}: {await app.links.unlink(name)}")
        return 0

    _run(work, level="error")


@main.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), default=Path("footnote-preview.html"))
def preview(out: Path) -> None:
    """Write a page that shows each kind of message as Slack and Discord show it, beside what is sent."""
    from bots.preview.page import page
    from bots.preview.samples import samples

    try:
        out.write_text(page(asyncio.run(samples())))
    except OSError as error:
        _fail(f"{out} cannot be written: {error.strerror}", 1)
    click.echo(f"{out}: open it in a browser")


@main.group("eval")
def evaluate() -> None:
    """Measure the search and the answers by questions whose answers are known."""


set_argument = click.argument("folder", metavar="SET", type=click.Path(exists=True, file_okay=False, path_type=Path))
_FILE = click.Path(dir_okay=False, path_type=Path)


def _evaluation_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--limit", type=click.IntRange(1), help="So many of the cases, spread over all of them."),
        click.option("--against", type=_FILE, help="Compare with this report; by default with the last one in --json or --keep."),
        click.option("--html", type=_FILE, help="Write the report as a page, too."),
        click.option("--json", type=_FILE, help="Write the report as JSON, too."),
        click.option(
            "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep index and report here for next time."
        ),
        set_argument,
    ):
        command = option(command)
    return command


@evaluate.command("retrieval")
@_evaluation_options
@click.option("--ablate", is_flag=True, help="Measure, too, what each step of the search adds.")
def evaluate_retrieval(**wanted: Any) -> None:
    """Run every question of SET through the search.

    SET is a folder: `pages/` with `questions*.jsonl` beside it, or `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`.
    """
    from bots.terminal import evaluating

    with evaluating.evaluation(**wanted) as evaluation:
        _run(evaluation.retrieval, level="error", overrides=evaluation.settings)


@evaluate.command("answers")
@_evaluation_options
@click.option("--judge", default="", metavar="MODEL", help="Have this model judge the answers, e.g. openai:gpt-5.4.")
@click.option("--trials", type=click.IntRange(3), default=3, show_default=True, help="How often it is asked about each.")
def evaluate_answers(**wanted: Any) -> None:
    """Answer every question of SET, with the configured model or in quotes.

    SET is a folder: `pages/` with `questions*.jsonl` beside it, or `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`.
    """
    from bots.terminal import evaluating

    with evaluating.evaluation(**wanted) as evaluation:
        _run(evaluation.answers, level="error", overrides=evaluation.settings)


@evaluate.command("calibrate")
@click.argument("folder", metavar="[SET]", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the index of SET here for next time.")
@click.option("--limit", type=click.IntRange(1), help="So many of the cases, spread over all of them.")
@click.option("--wrong", type=click.FloatRange(0, 50), default=4, show_default=True, help="Per cent that may be wrongly refused.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--undo", is_flag=True, help="Go back to what comes with Footnote.")
def evaluate_calibrate(folder: Path | None, wrong: float, *, dry_run: bool, undo: bool, **wanted: Any) -> None:
    """Find out how sure an answer must be here: by the questions whose answers people called good, or those of SET.

    Each is looked up as it is, and once more as if the documents that answer it were not there.
    """
    from bots.terminal import calibrating, evaluating

    calibration = calibrating.Calibration(wrong=wrong / 100, dry_run=dry_run)
    if undo:
        _run(calibrating.undo, level="error")
    elif folder is None:
        _run(calibration.here, level="error")
    else:
        with evaluating.evaluation(folder=folder, **wanted) as evaluation:
            _run(lambda app: calibration.of(app, evaluation), level="error", overrides=evaluation.settings)


@main.command()
@json_option
def check(as_json: bool) -> None:
    """Probe every configured service and say how to mend what is wrong."""

    async def work(app: App) -> int:
        from bots.check import check as probe

        rows = await probe(app)
        if as_json:
            _print_json([{"part": row.part, "ok": row.ok, "detail": row.detail} for row in rows])
        else:
            for row in rows:
                click.secho("ok   " if row.ok else "FAIL ", fg="green" if row.ok else "red", nl=False)
                click.echo(f"{row.part}: {row.detail}")
        return 0 if all(row.ok for row in rows) else 1

    _run(work, level="error")


@main.group()
def audit() -> None:
    """Look into the audit log."""


@audit.command()
@click.argument("path", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(path: Path | None) -> None:
    """Follow the chain of an audit log (PATH, or the one that is written now) and name the first line that breaks it."""
    from core.audit import verify
    from core.settings import load_settings

    try:
        log = path or load_settings().audit_log
        if log is None:
            raise ConfigError("FOOTNOTE_AUDIT_LOG is off: name the file")
        found = verify(log)
    except ConfigError as error:
        _fail(str(error), 2)
    except OSError as error:
        _fail(f"{log} cannot be read: {error.strerror}", 1)
    if found.broken:
        _fail(f"{log}, line {found.broken}: {found.reason}", 1)
    for number in found.cut_off:
        click.echo(f"line {number} was cut off while it was written; the chain goes on over it")
    click.echo(f"{log}: {found.lines} lines, unbroken; last hash {found.last_hash}")
