"""The form that asks what was wrong with an answer. It has to be the first thing that answers the press of the button."""

from __future__ import annotations

import discord
from discord import ui

from bots.commands.feedback import LABELS, RATE
from bots.discord.buttons import id_of, pressed
from bots.discord.translate import Asked
from core.models import Reason

_COMMENT_LENGTH = 1000
_MEANT = {
    Reason.WRONG: "The pages say something else",
    Reason.OUTDATED: "It was right once",
    Reason.MISSING: "It does not tell what I asked for",
    Reason.PRIVATE: "Somebody who sees it should not",
}


def form_for(interaction: Asked) -> ui.Modal | None:
    """The form that a pressed button opens; None for a button that acts at once, and for anything else."""
    if interaction.type is not discord.InteractionType.component or (command := pressed(interaction)) is None:
        return None
    name, text = command
    answer_id, _, rating = text.partition(" ")
    return reason_form(answer_id) if (name, rating) == (RATE, "bad") else None


def reason_form(answer_id: str) -> ui.Modal:
    """What is entered becomes the rest of the command in its id."""
    form = ui.Modal(title="What was wrong?", custom_id=id_of(f"{RATE} {answer_id} bad"))
    options = [
        discord.RadioGroupOption(label=label, value=reason.value, description=_MEANT.get(reason))
        for reason, label in LABELS.items()
    ]
    form.add_item(ui.Label(text="Reason", component=ui.RadioGroup(custom_id="reason", options=options)))
    comment: ui.TextInput[ui.Modal] = ui.TextInput(
        custom_id="comment",
        style=discord.TextStyle.paragraph,
        required=False,
        max_length=_COMMENT_LENGTH,
        placeholder="What would have been right, and where does it stand?",
    )
    form.add_item(ui.Label(text="Comment", description="Those who look after Footnote read it", component=comment))
    # discord.py would otherwise keep it in memory and wait for it.
    form.stop()
    return form
