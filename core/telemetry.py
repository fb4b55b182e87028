"""Logs and metrics. Events are ``noun.past_verb``; no message text, no secret.

One correlation id runs from the platform's event to the answer: bind it once per message or sync with
:func:`structlog.contextvars.bound_contextvars`.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from core.redaction import redact, register


class _Stderr(logging.StreamHandler[Any]):
    """The standard one writes the arguments of a record that cannot be written beside it, as they are."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(error := sys.exception(), OSError):
            self.stream.write(f"{redact(repr(error))}: a record of {record.name}, line {record.lineno}, could not be written\n")


def _redact_event(_logger: Any, _method: str, event: Any) -> Any:
    return redact(event)


def _tell_last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))


def configure_logging(level: str = "info", style: str = "auto", secrets: Iterable[str] = ()) -> None:
    """Send structlog's and the libraries' records to stderr, as JSON lines or for people. Call once per process.

    Neither these ``secrets`` nor what looks like one is written, whoever logs it.
    """
    register(*secrets)
    sys.excepthook = _tell_last_words
    logging.captureWarnings(True)
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.processors.JSONRenderer()
    if console:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    handler = _Stderr(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            # Last, and of every record: what is bound to it, what libraries add, and tracebacks.
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("httpx", "httpx2", "httpcore", "slack_bolt", "slack_sdk", "discord", "aiohttp.access", "openai"):
        # Their DEBUG repeats what people and pages say, their INFO speaks of every request; ours has one line per answer.
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else logging.WARNING)


MESSAGES = Counter("footnote_messages_total", "Messages addressed to the bot.", ["platform"])
RESOLVED = Counter(
    "footnote_resolved_total", "How addressed messages ended: answered, refused or failed.", ["platform", "outcome"]
)
ANSWER_SECONDS = Histogram(
    "footnote_answer_seconds",
    "From the event to the sent answer.",
    ["platform"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
FEEDBACK = Counter(
    "footnote_feedback_total",
    "Ratings of answers: good (yes or no), and the reason: none, wrong, outdated, missing, private or other.",
    ["platform", "good", "reason"],
)
STEP_SECONDS = Histogram(
    "footnote_answer_step_seconds",
    "Steps of an answer: condense, line, retrieve, first_token, generate, total.",
    ["step"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
TOKENS = Counter(
    "footnote_tokens_total",
    "Tokens of the chat model: input or output; reported by its server, or estimated where it reports none.",
    ["kind", "counted"],
)
SYNCS = Counter("footnote_syncs_total", "Finished syncs.", ["source", "status"])
SYNC_SECONDS = Histogram("footnote_sync_seconds", "Duration of a sync.", ["source"], buckets=(0.5, 2, 10, 60, 300, 1800, 7200))
SYNC_DOCUMENTS = Counter("footnote_sync_documents_total", "Documents by what a sync did with them.", ["source", "outcome"])
SOURCE_AGE_SECONDS = Gauge(
    "footnote_source_age_seconds", "Since the moment as of which the index holds everything of a source.", ["source"]
)
SOURCE_DOCUMENTS = Gauge(
    "footnote_source_documents",
    "Documents of a source by place, at the end of its last whole sync: in_source, in_index, skipped, failed, missing, withheld.",
    ["source", "place"],
)
PUSHES = Counter(
    "footnote_pushes_total", "Push notifications: accepted, opened, refused, unknown or failed.", ["source", "outcome"]
)
AUDIT_LINES = Counter("footnote_audit_lines_total", "Lines of the audit log: written or lost.", ["outcome"])
PARTS_UP = Gauge("footnote_part_up", "1 while a part answers, 0 while it does not.", ["part"])
