"""Versions of one page among what was found: which is the newer, and what they say differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.answering.evidence import Evidence


@dataclass(frozen=True, kw_only=True)
class Change:
    """Two passages that say the same thing with different values, word for word."""

    now: str
    before: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """``older`` is an earlier version of the page that ``newer`` is."""

    newer: Evidence
    older: Evidence
    changes: tuple[Change, ...]
    """Where they contradict each other, in the newer one's reading order; empty when nothing was found that does."""


def versions(evidence: Sequence[Evidence], question: str = "") -> tuple[Version, ...]:
    """The pairs of versions, each older one with the newest there is. A question that names the older one (its year, its
    number) is about that: then there is no pair.
    """
    return ()
