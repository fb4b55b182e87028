"""Where the reply to a question goes: its places, the best first, and what is kept of them with the question, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import discord

from bots.discord.dialect import literal
from bots.discord.future_thread import FutureThread
from bots.discord.in_channel import InChannel
from bots.discord.in_interaction import TOKEN_LIFE, InInteraction
from bots.discord.pace import INTERVAL, Paces
from bots.discord.places import Place
from bots.discord.translate import Asked
from bots.pending import Spot

THREAD, CHANNEL, DIRECT = "thread", "channel", "direct"
"""The names of places; that of an interaction is its own."""


def spot_of_message(message: discord.Message, *, root: int, thread: bool = False) -> Spot:
    """``thread``: it is answered in a thread of its own."""
    guild = str(message.guild.id) if message.guild else ""
    return Spot(
        channel=str(message.channel.id), guild=guild, root=str(root), message=str(message.id), thread="1" if thread else ""
    )


def spot_of_interaction(interaction: Asked, *, root: int, original: int, named: bool = False) -> Spot:
    """``original`` is the message that shows the answer, or the interaction itself where it has none; ``named`` if what was
    asked stands above it.
    """
    return Spot(
        channel=str(interaction.channel_id),
        guild=str(interaction.guild_id or ""),
        root=str(root),
        message=str(original),
        interaction=str(interaction.id),
        application=str(interaction.application_id),
        token=interaction.token,
        named="1" if named else "",
    )


class Spots:
    """Places for replies."""

    def __init__(self, clock: Callable[[], datetime], *, edit_interval: float = INTERVAL) -> None:
        self._clock = clock
        self._paces = Paces(edit_interval)

    def of_message(
        self,
        key: str,
        question: str,
        message: discord.Message | discord.PartialMessage,
        channel: Any,
        person: discord.abc.Messageable,
        *,
        thread: bool = False,
        alone: bool = False,
        parts: int | None = None,
    ) -> list[InChannel]:
        """The places for the reply to a message, the best first; ``alone`` where the person who asked shall be the only one to
        see it. ``parts`` as of :class:`InChannel`.
        """
        where = literal(getattr(channel, "name", None) or "that channel")
        if alone:
            preface = f"-# In #{where} I answer each person alone."
            return [InChannel(person, name=DIRECT, preface=preface, key=key, parts=parts, notifies=True)]
        places: list[InChannel] = []
        if thread:
            future = FutureThread(message, question)
            places.append(InChannel(future, name=THREAD, key=key, parts=parts, pace=self._paces.of(message.id)))
        if channel is not None:
            reference = discord.MessageReference.from_message(message, fail_if_not_exists=False)
            pace = self._paces.of(channel.id)
            direct = isinstance(channel, discord.DMChannel)
            places.append(InChannel(channel, reference, name=CHANNEL, key=key, parts=parts, pace=pace, notifies=direct))
        if not isinstance(channel, discord.DMChannel):
            preface = f"-# I may not write in #{where}, so I answer you here."
            places.append(InChannel(person, name=DIRECT, preface=preface, key=key, parts=parts, notifies=True))
        return places

    def of_interaction(
        self,
        key: str,
        asked: str,
        webhook: discord.Webhook | None,
        created_at: datetime,
        original: discord.PartialMessage | None,
        channel: Any,
        person: discord.abc.Messageable,
        *,
        private: bool,
        preface: str = "",
        parts: int | None = None,
    ) -> list[Place]:
        """The places for the answer to a command. ``asked`` says what was asked where nothing else tells, the ``preface`` stands
        above the answer in any case. Without a ``webhook`` the command is over, without an ``original`` it was never
        acknowledged.
        """
        writable = channel if not private and isinstance(channel, discord.abc.Messageable) else None
        places: list[Place] = []
        if webhook is not None:
            further = None
            if writable is not None:
                further = InChannel(writable, key=f"{key}:more", parts=parts, pace=self._paces.of(channel.id))
            expires_at = created_at + TOKEN_LIFE
            places.append(
                InInteraction(
                    webhook,
                    expires_at,
                    self._clock,
                    private=private,
                    preface=preface,
                    channel=further,
                    original=original,
                    pace=self._paces.new(),
                )
            )
        if writable is not None:
            reference = discord.MessageReference.from_message(original, fail_if_not_exists=False) if original else None
            pace = self._paces.of(channel.id)
            places.append(InChannel(writable, reference, name=CHANNEL, preface=asked, key=key, parts=parts, pace=pace))
        places.append(InChannel(person, name=DIRECT, preface=asked, key=key, parts=parts, notifies=True))
        return places


def asked_line(name: str, question: str) -> str:
    """What was asked, in a line of small print."""
    return f"-# {literal(name[:80])} asked: {literal(' '.join(question.split())[:200])}"
