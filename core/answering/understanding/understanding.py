"""What a question means here: which pages it is limited to, what its words are called, and which parts it has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from langchain_core.language_models import BaseChatModel

from core.answering.access import readable
from core.answering.understanding.filters import Filtered, Places, filtered, names_folder, names_person, spoken
from core.answering.understanding.glossary import acronyms, phrases
from core.answering.understanding.spelling import corrected, doubtful
from core.answering.understanding.subquestions import compared, needed, split
from core.answering.understanding.vocabulary import Learned, Names, Standing, Vocabulary
from core.errors import FootnoteError
from core.models import Audience, Principal, Query
from core.ports import Accesses

People = Callable[[], Awaitable[Mapping[Principal, Iterable[Principal]]]]
"""Group principals with their members: an account has the address of its person."""

_ADDED = 3
"""Words that are added to a question at most."""
_READ = 24
"""Words of a question that may be short for something, or misspelled; of a pasted log nobody wants them all."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Each can be left out, to know what it is worth."""

    rewrite: bool = True
    """A follow-up is rewritten by the model, where there is one."""
    parts: bool = True
    filters: bool = True
    glossary: bool = True
    spelling: bool = True


ALL = Steps()


@dataclass(frozen=True, kw_only=True)
class Understood:
    query: Query
    parts: tuple[str, ...] = ()
    """Questions that are searched for beside it."""
    limits: str = ""
    """What the search is limited to, as people read it."""
    without: Query | None = None
    """The query without those limits."""
    notice: str = ""
    slips: Mapping[str, str] = field(default_factory=dict)
    """Misspelled words of the question, each with what was searched for in its place: such as it is, it stands nowhere."""


class Understanding:
    """Knows the names of things from ``vocabulary``; without one, only what the question says of itself is understood."""

    def __init__(
        self,
        *,
        accesses: Accesses,
        vocabulary: Vocabulary | None = None,
        standing: Standing | None = None,
        people: People | None = None,
        steps: Steps = ALL,
    ) -> None:
        self._accesses = accesses
        self._vocabulary = vocabulary
        self._standing = standing
        self._people = people
        self.steps = steps

    async def parts(self, question: str, model: BaseChatModel | None, silence: float) -> tuple[str, ...]:
        """Of a comparison by rule, of another question by the ``model``, if it looks as if it had any."""
        if not self.steps.parts:
            return ()
        return compared(question) or (await split(question, model, silence) if model and needed(question) else ())

    async def understand(self, asked: str, query: Query, audience: Audience, at: datetime) -> Understood:
        """``asked`` is the question in the person's own words, ``at`` is now where they are. While the index does not answer,
        nothing is understood: the search will say so.
        """
        try:
            return await self._understand(asked, query, audience, at)
        except FootnoteError as error:
            log.info("question.not_understood", reason=str(error))
            return Understood(query=query)

    async def _understand(self, asked: str, query: Query, audience: Audience, at: datetime) -> Understood:
        learned, classes = await self._vocabulary.known_to(audience) if self._vocabulary else (Learned(), frozenset[str]())
        limited = Filtered(text=query.text)
        if self.steps.filters:
            limited = await self._limited(asked, query.sources, learned, classes, audience, at)
        text = limited.text if query.text == asked else query.text
        added, slips = await self._meant_by(text, learned, classes, audience)
        searched = replace(query, text=corrected(text, slips), also=(*query.also, *added))
        limits = spoken(limited.said) if limited.said else ""
        return Understood(
            query=replace(searched, scope=limited.scope, sources=limited.sources or query.sources) if limits else searched,
            limits=limits,
            without=replace(searched, text=corrected(query.text, slips)) if limits else None,
            notice=_said(added, slips),
            slips=slips,
        )

    async def _limited(
        self,
        asked: str,
        sources: Collection[str],
        learned: Learned,
        classes: Collection[str],
        audience: Audience,
        at: datetime,
    ) -> Filtered:
        paths = [path for path, names in learned.paths.items() if names.within(classes)] if names_folder(asked) else ()
        places = Places(
            sources=[name for name in learned.sources.within(classes) if not sources or name in sources],
            paths=paths,
            people=await self._known(learned.owners.within(classes)) if names_person(asked) else {},
        )
        found = filtered(asked, places, at)
        # What was known a while ago may be private by now, and then it was never said.
        seen = [
            *([learned.sources.witnesses(name, classes) for name in found.sources]),
            *([learned.paths[found.scope.path].witnesses("", classes)] if found.scope.path else []),
        ]
        if owners := found.scope.people:
            seen.append([document for owner in owners for document in learned.owners.witnesses(owner, classes)])
        now = await readable({document for documents in seen for document in documents}, audience, self._accesses)
        if any(now.isdisjoint(documents) for documents in seen):
            return filtered(asked, Places(), at)
        return found

    async def _known(self, owners: Sequence[Principal]) -> dict[Principal, list[Principal]]:
        groups = await self._people() if self._people else {}
        return {owner: [owner, *groups.get(owner, ())] for owner in owners}

    async def _meant_by(
        self, text: str, learned: Learned, classes: Collection[str], audience: Audience
    ) -> tuple[list[str], dict[str, str]]:
        """Other words for those of the question, and the right ones for misspelled ones: each from a title or heading that the
        audience may read now.
        """
        said = text.casefold()
        wanted = await self._meant(text, learned, classes, audience) if self.steps.glossary else []
        wanted = [(words, names) for words, names in wanted if words.casefold() not in said]
        slips = await self._spelled(text, learned, classes, audience) if self.steps.spelling else {}
        wanted += [(right, learned.words) for right in slips.values()]
        witnesses = {words: names.witnesses(words, classes) for words, names in wanted}
        # All at once: what is asked of the index must not tell which of them are hidden.
        seen = await readable({document for documents in witnesses.values() for document in documents}, audience, self._accesses)
        told = [words for words, documents in witnesses.items() if not seen.isdisjoint(documents)]
        rights = {word: right for word, right in slips.items() if right in told}
        return [words for words in told if words not in rights.values()][:_ADDED], rights

    async def _meant(self, text: str, learned: Learned, classes: Collection[str], audience: Audience) -> list[tuple[str, Names]]:
        found: list[tuple[str, Names]] = []
        unexplained: list[str] = []
        for word in acronyms(text)[:_READ]:
            short = word.casefold().removesuffix("s") if word[:-1].isupper() and word.endswith("s") else word.casefold()
            names = learned.explained.get(short)
            if names and (meant := names.within(classes)):
                found += [(words, names) for words in meant[:2]]
            elif short in learned.initials and learned.initials[short].within(classes):
                unexplained.append(word)
        # An acronym that nobody explains may be read from initials, if it is a word that nobody writes.
        for word in await self._unknown(unexplained, audience):
            names = learned.initials[word.casefold()]
            found += [(words, names) for words in names.within(classes)[:1]]
        for phrase in phrases(text):
            names = learned.short.get(phrase)
            if names:
                found += [(short, names) for short in names.within(classes)[:1]]
        return found

    async def _spelled(self, text: str, learned: Learned, classes: Collection[str], audience: Audience) -> dict[str, str]:
        def admitted(word: str) -> bool:
            return bool(learned.words.witnesses(word, classes))

        near = {word: candidates[0] for word in doubtful(text)[:_READ] if (candidates := learned.spellings.near(word, admitted))}
        return {word: near[word] for word in await self._unknown(list(near), audience)}

    async def _unknown(self, words: Sequence[str], audience: Audience) -> list[str]:
        """Those that stand in nothing that the audience may read."""
        if not words or self._standing is None:
            return []
        standing = await self._standing(words, audience)
        return [word for word in words if word not in standing]


def limited_to(limits: str, hits: int) -> str:
    """What is said of a limit that was kept, or had to be dropped."""
    return f"Only pages {limits}." if hits else f"I found nothing {limits}, so I looked everywhere."


def _said(added: Sequence[str], slips: Mapping[str, str]) -> str:
    instead = _listed([f"“{right}” instead of “{word}”" for word, right in slips.items()])
    too = _listed([f"“{words}”" for words in added])
    said = [f"Searched for {instead}."] * bool(slips) + [f"Searched for {too}, too."] * bool(added)
    return " ".join(said)


def _listed(items: Sequence[str]) -> str:
    *others, last = items or ("",)
    return f"{', '.join(others)} and {last}" if others else last
