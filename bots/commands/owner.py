"""`owner`: what the owner of a document answers to being told of a gap, by the buttons below the message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from bots.command import Command, CommandReply
from core.errors import UserError
from core.models import now

if TYPE_CHECKING:
    from core.evaluation.gaps import Gaps

log = structlog.get_logger(__name__)


class OwnerAnswers:
    def __init__(self, gaps: Gaps, *, clock: Callable[[], datetime] = now) -> None:
        self._gaps = gaps
        self._clock = clock

    async def run(self, command: Command, reply: CommandReply) -> None:
        """``owner done ID`` or ``owner not-mine ID``, of somebody who was told of this gap, and of nobody else."""
        match command.text.split():
            case ["done" | "not-mine" as said, id]:
                telling = await self._gaps.tellings.to(id, command.user)
                if telling is None:
                    raise UserError("This is for whoever I told of the gap, for 90 days.")
            case _:
                raise UserError("`owner done ID` and `owner not-mine ID` answer what I told the owner of a page.")
        if said == "done":
            await self._gaps.done(id, self._clock())
            await reply.settle("✅ Done, thank you. It comes back when somebody asks again and I still do not know.")
        else:
            await self._gaps.tellings.refuse(telling)
            await reply.settle("Noted: it is not yours. The administrators see that in their list.")
        log.info("gap.owner_answered", gap=id, said=said)
