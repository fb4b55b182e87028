"""`rate`: what a person says of an answer is noted, becomes a gap if it is work for somebody, and is thanked for in words that
fit.

``rate ANSWER_ID good|bad [REASON] [COMMENT...]`` is the command of every rating: of buttons, of a form behind them, or typed.
It works for thirty days, after restarts and in any process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots.command import Button, Command, CommandReply
from core.audit import OFF, Audit
from core.errors import FootnoteError, UserError
from core.evaluation.feedback import Answered
from core.evaluation.gaps import GAP_REASONS, Miss, unanswered
from core.models import Feedback, Reason, now
from core.telemetry import FEEDBACK

if TYPE_CHECKING:
    from bots.desk import AnswerDesk
    from core.evaluation.feedback import FeedbackLog
    from core.evaluation.gaps import Gaps

RATE = "rate"
"""The command of all ratings; it takes the id of an answer, ``good`` or ``bad``, a reason, and a comment."""

LABELS = {
    Reason.WRONG: "It is wrong",
    Reason.OUTDATED: "It is outdated",
    Reason.MISSING: "Something is missing",
    Reason.PRIVATE: "It should be private",
    Reason.OTHER: "Something else",
}
"""As people choose from them."""

_THANKS = {
    Reason.WRONG: "Thank you. It is noted as wrong, and stands in the list of what has to be put right.",
    Reason.MISSING: "Thank you. It is noted as missing, and stands in the list of what should be written down.",
    Reason.PRIVATE: (
        "Thank you for telling. Your report stands first in the administrators' list, and in the log that they watch: an "
        "administrator is told, without your name, which pages were shown."
    ),
    Reason.OTHER: "Thank you. It is noted, and whoever looks after me will read it.",
}
_GOOD = "Thank you. It helps to know which answers do."
_BAD = "Thank you. What was wrong with it?"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Said:
    answer_id: str
    good: bool
    reason: Reason | None
    comment: str


class Ratings:
    """What the command does."""

    def __init__(
        self,
        desk: AnswerDesk,
        feedback: FeedbackLog,
        gaps: Gaps,
        *,
        audit: Audit = OFF,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._desk = desk
        self._feedback = feedback
        self._gaps = gaps
        self._audit = audit
        self._clock = clock

    async def rate(self, command: Command, reply: CommandReply) -> None:
        """Raises UserError for what is not understood or remembered, TransientError when it could not be noted."""
        said = _parsed(command.text)
        answered = await self._desk.rated(said.answer_id)
        if answered is None:
            raise UserError("I remember answers for thirty days, and this one no longer. Please ask me again, and rate that.")
        if answered.private and answered.asked_by != command.user:
            raise UserError("This answer was for one person alone, and only they can rate it.")
        feedback = Feedback(
            answer_id=answered.id,
            user=command.user,
            good=said.good,
            at=self._clock(),
            reason=said.reason,
            comment=said.comment,
        )
        await self._feedback.note(feedback, answered)
        self._told(command, feedback, answered)
        if said.good or said.reason is not None:
            await reply.say(_thanks(said, answered))
        else:
            await reply.offer(_BAD, [_button(answered.id, reason) for reason in Reason])
        await self._gap(feedback, answered)

    def _told(self, command: Command, feedback: Feedback, answered: Answered) -> None:
        reason = feedback.reason.value if feedback.reason else ""
        FEEDBACK.labels(command.platform, "yes" if feedback.good else "no", reason or "none").inc()
        where = {"platform": command.platform, "channel": command.channel_id}
        facts = {"answer": answered.id, "good": feedback.good, "reason": reason}
        self._audit.record("answer.rated", who=command.user, where=where, **facts)
        if feedback.reason is Reason.PRIVATE:
            # The only place where it is said aloud: alerts and people watch warnings.
            log.warning("answer.reported_private", answer=answered.id, documents=list(answered.documents))
        else:
            log.info("answer.rated", **facts)

    async def _gap(self, feedback: Feedback, answered: Answered) -> None:
        """The person was thanked: what fails here costs an entry in a list, and no second thanks."""
        try:
            if feedback.reason in GAP_REASONS and not feedback.good:
                await self._gaps.note(Miss(answered=answered, user=feedback.user, at=feedback.at, reason=feedback.reason))
            elif (left := unanswered(answered, feedback.at)) and left.user == feedback.user:
                await self._gaps.note(left)
            else:
                await self._gaps.withdraw(answered.id, feedback.user)
        except FootnoteError as error:
            log.warning("gap.not_noted", answer=answered.id, reason=str(error))


def _parsed(text: str) -> _Said:
    answer_id, _, rest = text.strip().partition(" ")
    verdict, _, rest = rest.strip().partition(" ")
    if verdict not in {"good", "bad"}:
        reasons = ", ".join(Reason)
        raise UserError(f"`rate` takes the id of an answer, `good` or `bad`, and for `bad` a reason ({reasons}) and a comment.")
    good, rest = verdict == "good", rest.strip()
    first, _, comment = rest.partition(" ")
    if good or first not in set(Reason):
        return _Said(answer_id=answer_id, good=good, reason=None if good or not rest else Reason.OTHER, comment=rest)
    return _Said(answer_id=answer_id, good=False, reason=Reason(first), comment=comment.strip())


def _thanks(said: _Said, answered: Answered) -> str:
    if said.good or said.reason is None:
        return _GOOD
    return _outdated(answered) if said.reason is Reason.OUTDATED else _THANKS[said.reason]


def _outdated(answered: Answered) -> str:
    """With the dates of what was cited: of pages that nobody wrote on for years, or of one that is newer than thought."""
    dates = sorted({f"{cited.updated_at:%Y-%m-%d}" for cited in answered.cited})
    if not dates:
        return "Thank you. It is noted as outdated, and stands in the list of what has to be put right."
    what = "The page that I cited was" if len(answered.cited) == 1 else "The pages that I cited were"
    return f"Thank you. {what} last edited on {', '.join(dates)}. It stands in the list of what has to be put right."


def _button(answer_id: str, reason: Reason) -> Button:
    return Button(label=LABELS[reason], command=f"{RATE} {answer_id} bad {reason}")
