"""A message of ours on Discord: plain text where that says all, and otherwise components with the small print below the text
and the buttons at the foot.

Plain text is what Discord's search finds and what its notifications show; a message with components shows nothing there. So
nothing has components that does not need them, and a streamed answer begins as plain text. The way there is by an edit, and
there is none back.

Sources of the limits: 2,000 characters of plain text; 40 components, 4,000 characters in all text displays, 5 buttons in a
row. Discord's clients count UTF-16 units and its servers code points; the former are never fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import discord
from discord import ui

from bots.command import Button
from bots.discord.buttons import button_of

PLAIN_LIMIT = 2000
"""UTF-16 units of plain text."""
LIMIT = 3400
"""UTF-16 units of text and small print in a message with components; the rest is left to what stands above the text."""
_ROW = 5
_MOST_ROWS = 5
_RED = 0xD83C3E


@dataclass(frozen=True, kw_only=True)
class Card:
    """One message. ``text`` and ``small`` are Discord's Markdown, in which nothing pings or unfurls any more."""

    text: str
    small: str = ""
    """Lines of small print: what the reader should know, and the sources."""
    rows: tuple[tuple[Button, ...], ...] = ()
    """Buttons, row by row: at most five rows of five."""
    failed: bool = False
    """An error, shown as one."""

    @property
    def plain(self) -> bool:
        """Whether text alone shows all of it."""
        return not (self.small or self.rows or self.failed) and length(self.text) <= PLAIN_LIMIT

    def below(self, preface: str) -> Card:
        """The same with a line above its text: at most 600 UTF-16 units."""
        return replace(self, text="\n".join(filter(None, (preface, self.text))))


def length(text: str) -> int:
    """In UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def rows(buttons: Sequence[Button]) -> tuple[tuple[Button, ...], ...]:
    """As many buttons as a message takes, in rows."""
    some = buttons[: _ROW * _MOST_ROWS]
    return tuple(tuple(some[at : at + _ROW]) for at in range(0, len(some), _ROW))


def view(card: Card) -> ui.LayoutView:
    """Its components, ready to be sent. Nothing waits for their buttons: what these do stands in their ids."""
    layout = ui.LayoutView(timeout=None)
    texts: list[ui.Item[Any]] = [ui.TextDisplay(card.text)] if card.text else []
    if card.small:
        texts += [ui.Separator()] if texts else []
        texts.append(ui.TextDisplay(card.small))
    for item in [ui.Container(*texts, accent_colour=_RED)] if card.failed else texts:
        layout.add_item(item)
    for row in card.rows:
        layout.add_item(ui.ActionRow(*(button_of(button) for button in row)))
    # discord.py would otherwise keep it in memory and wait for it.
    layout.stop()
    return layout


def row(buttons: Sequence[Button]) -> ui.View:
    """Buttons below plain text, at most five."""
    below = ui.View(timeout=None)
    for button in buttons[:_ROW]:
        below.add_item(button_of(button))
    below.stop()
    return below


def payload(card: Card) -> dict[str, Any]:
    """What makes it a message, as Discord's API takes it."""
    if card.plain:
        return {"content": card.text}
    layout: Any = view(card)
    return {"flags": discord.MessageFlags(components_v2=True).value, "components": layout.to_components()}
