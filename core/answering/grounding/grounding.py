"""An answer on its way to the reader, sentence by sentence: what no source supports is left out before it is shown."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from core.answering.evidence import Evidence
from core.answering.grounding.meaning import Meaning
from core.answering.grounding.support import TOO_FEW, Grounds, Spot, Support, Verdict
from core.answering.grounding.units import Shape, Unit, Units, parts
from core.answering.grounding.wording import claim, denies, is_talk, states
from core.answering.quoting.passages import Kind

Judge = Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[bool] | None]]
"""Of sentences, each with the passages that come nearest: which of them are supported; None when it cannot tell."""

_ENDING = re.compile(r"\s*(?:[.!?…:;,。！？]+[\"'”’»)*_]*)?\Z")
_BOLD = re.compile(r"(\*\*|__)(?:(?!\1).)*[^.!?。*_]\1")
_ITEM = re.compile(r"[ \t>]*(?:[-*+•]|\d{1,3}[.)])[ \t]")
_BOLD_LINE, _LEAD_IN, _IN_LIST = 7, 8, 9
"""Levels below those of headings; an item's is deeper the further it is indented."""
_DEEPEST = 1_000
_CODE_WORD = re.compile(r"\w+")
_CODE = 0.8
"""Share of a code block's words that must stand in one source: the rest are names that the reader puts in."""


@dataclass(kw_only=True)
class _Checked:
    unit: Unit
    parts: list[str | int]
    """Its text with the numbers of its sources where their markers stand."""
    talk: bool = False
    """It states nothing: shown with what it belongs to."""
    support: Support | None = None
    kept: bool | None = None
    """None while somebody else must judge it."""
    level: int = 0
    """Of a heading or a lead-in, 1 the highest; 0: it is neither."""
    bereft: bool = False
    """Something that it led to is left out, and nothing is shown of it so far."""


class Grounding:
    """Feed it what a :class:`core.answering.footnotes.FootnoteFilter` gives; it gives back what may be shown.

    - a sentence, a table row or a block of code that states something is shown with a footnote of a source that says it, or
      not at all; one without a marker gets it, one with a wrong marker the right one
    - what states nothing ("Here is how it works:") waits for what it belongs to, so nothing dangles, and goes with it: the
      "Yes." before a claim that is left out, a heading of which nothing is shown
    - what words cannot decide is decided by ``meaning``; with a ``judge`` it waits, and all after it, for the end of the text

    ``numbers`` is the filter's ``cited``: its markers count in this order, those that come out in the order of :attr:`cited`.
    """

    def __init__(
        self,
        evidence: Sequence[Evidence],
        question: str,
        numbers: Collection[int],
        *,
        meaning: Meaning | None = None,
        judge: Judge | None = None,
    ) -> None:
        self.grounds = Grounds(evidence, question)
        self.cited: dict[int, list[str]] = {}
        """Number of the source to the statements that cite it, in order of appearance: the first is footnote 1."""
        self.quoted: dict[int, list[Spot]] = {}
        """Number of the source to its passages that say it; none where words cannot tell which (a translation)."""
        self.dropped = 0
        """Statements that no source supports."""
        self._numbers = numbers
        self._meaning = meaning
        self._judge = judge
        self._units = Units()
        self._waiting: list[_Checked] = []
        """For the judge, with all that comes after."""
        self._held: list[_Checked] = []
        """What states nothing, and what leads to something else."""
        self._last_line = -1
        self._depth = 0
        self._denied: int | None = None
        """Level of a lead-in like "You need not:" that is left out, while its items come: without it they say the reverse."""
        self._owed: list[int] = []
        """Sources of rows and code that carry no marker themselves."""
        self._last: set[int] = set()
        self._line = -1
        self._row = -2
        self._shown = False

    async def feed(self, text: str) -> str:
        return "".join([await self._read(unit) for unit in self._units.feed(text)])

    async def close(self) -> str:
        """The rest: nothing more will be read."""
        shown = [await self._read(unit) for unit in self._units.close()]
        await self._judged()
        waiting, self._waiting = self._waiting, []
        shown += [self._settle(checked) for checked in waiting]
        closing = [each for each in self._held if self._shown and _may_close(each)]
        shown += [self._emit(each) for each in closing if closing == self._held]
        return "".join((*shown, self._pay()))

    async def _read(self, unit: Unit) -> str:
        checked = await self._check(unit)
        if checked.kept is None or self._waiting:
            self._waiting.append(checked)
            return ""
        return self._settle(checked)

    async def _check(self, unit: Unit) -> _Checked:
        if unit.shape is Shape.CODE:
            return self._code(unit)
        split = parts(unit.text, list(self._numbers))
        cited = [part for part in split if isinstance(part, int)]
        said = claim(_said(split))
        checked = _Checked(unit=unit, parts=split, level=_level(unit, said))
        if self._states_nothing(checked, said, cited):
            checked.talk = True
            checked.kept = True
            return checked
        support = self.grounds.support(said.strip("| *_"), cited)
        checked.support = support
        if support.verdict is Verdict.OPEN:
            if self._judge is not None:
                return checked
            support = await self._means(support, said, cited)
        self._decide(checked, support, cited)
        return checked

    def _states_nothing(self, checked: _Checked, said: str, cited: Sequence[int]) -> bool:
        unit = checked.unit
        if unit.shape is Shape.RULE:
            self._row = unit.line
        if not re.search(r"\w", said):
            return True
        bare = said.strip().strip("*_")
        if checked.level and not cited and (not denies(bare) or self.grounds.heads(bare)):
            return not self.grounds.values(bare) and self.grounds.stands(bare) and (not states(bare) or self.grounds.knows(bare))
        if unit.shape is Shape.ROW:
            return self._is_head(unit)
        return is_talk(bare) and not self.grounds.values(bare) and self.grounds.stands(bare)

    def _is_head(self, unit: Unit) -> bool:
        """Whether it is the first row of a table: its rule is not read yet, but what it says can be looked up."""
        first = self._row != unit.line - 1
        self._row = unit.line
        return first and self.grounds.stands(unit.text)

    async def _means(self, support: Support, said: str, cited: Sequence[int]) -> Support:
        """What words cannot decide, by the meaning of the passages that come nearest; without an embedding by fewer words."""
        if self._meaning is not None:
            near = self.grounds.nearest(support, said, cited, self._meaning.most)
            spot = await self._meaning.same(said, near)
            if spot is not None and not (support.loose and not all(map(spot.has, self.grounds.values(said)))):
                spots = tuple(dict.fromkeys((*support.spots, spot))) if support.coverage >= TOO_FEW else (spot,)
                return Support(verdict=Verdict.SUPPORTED, spots=spots, coverage=support.coverage)
        elif cited and support.spots and support.coverage >= TOO_FEW:
            return Support(verdict=Verdict.SUPPORTED, spots=support.spots, coverage=support.coverage)
        return Support(verdict=Verdict.UNSUPPORTED, spots=support.spots, coverage=support.coverage)

    def _decide(self, checked: _Checked, support: Support, cited: Sequence[int]) -> None:
        checked.support = support
        checked.kept = support.verdict is Verdict.SUPPORTED
        if not checked.kept:
            return
        saying = {spot.source for spot in support.spots}
        said = _said(checked.parts)
        for number in cited:
            if number not in saying and (support.foreign or not saying):
                saying.add(number)
            elif number not in saying:
                alone = self.grounds.support(said, [number])
                if alone.verdict is Verdict.SUPPORTED and all(spot.source == number for spot in alone.spots):
                    saying.add(number)
                    support = Support(verdict=support.verdict, spots=(*support.spots, *alone.spots), coverage=support.coverage)
        checked.support = support
        checked.parts = _marked(checked.parts, saying, row=checked.unit.shape is Shape.ROW)

    def _code(self, unit: Unit) -> _Checked:
        """A block of code is shown as a whole: its words stand in one source, and all its numbers do."""
        lines = unit.text.splitlines()
        words = _CODE_WORD.findall("\n".join(lines[1:-1] if len(lines) > 2 else lines[1:]))
        best: tuple[float, int] | None = None
        by_source: dict[int, list[Spot]] = {}
        for spot in self.grounds.spots():
            by_source.setdefault(spot.source, []).append(spot)
        for number, spots in by_source.items():
            known = {word for spot in spots for word in _CODE_WORD.findall(spot.text)}
            share = sum(word in known for word in words) / len(words) if words else 0.0
            if all(word in known for word in words if word[0].isdigit()) and (best is None or share > best[0]):
                best = share, number
        checked = _Checked(unit=unit, parts=[unit.text], kept=bool(best and best[0] >= _CODE))
        if best and checked.kept:
            shared = [(sum(word in _CODE_WORD.findall(spot.text) for word in words), spot) for spot in by_source[best[1]]]
            spot = max(shared, key=lambda pair: (pair[1].passage.kind is Kind.CODE, pair[0]))[1]
            checked.support = Support(verdict=Verdict.SUPPORTED, spots=(spot,), coverage=best[0])
        return checked

    async def _judged(self) -> None:
        """Ask the judge once for all that waits for it."""
        undecided = [checked for checked in self._waiting if checked.kept is None]
        if not undecided or self._judge is None:
            return
        asked = []
        for checked in undecided:
            cited = [part for part in checked.parts if isinstance(part, int)]
            near = self.grounds.nearest(checked.support or Support(verdict=Verdict.OPEN), _said(checked.parts), cited, 4)
            asked.append((_said(checked.parts), "\n".join(spot.text for spot in near), near))
        verdicts = await self._judge([(said, passages) for said, passages, _ in asked])
        for number, checked in enumerate(undecided):
            said, _, near = asked[number]
            cited = [part for part in checked.parts if isinstance(part, int)]
            support = checked.support or Support(verdict=Verdict.OPEN)
            if verdicts is None:
                self._decide(checked, await self._means(support, said, cited), cited)
            else:
                verdict = Verdict.SUPPORTED if verdicts[number] else Verdict.UNSUPPORTED
                self._decide(checked, Support(verdict=verdict, spots=support.spots or tuple(near[:1])), cited)

    # Showing.

    def _settle(self, checked: _Checked) -> str:
        unit = checked.unit
        if unit.line != self._last_line:
            self._last_line, self._depth = unit.line, _depth(unit)
        if self._denied is not None and self._depth > self._denied:
            checked.talk = checked.kept = False
        else:
            self._denied = None
        if checked.level:
            above = next((at for at, held in enumerate(self._held) if held.level >= checked.level), len(self._held))
            del self._held[above:]
        if not checked.kept:
            self._leave_out(checked)
            return ""
        if checked.talk or checked.level:
            if any(re.search(r"\w", part) for part in checked.parts if isinstance(part, str)) or unit.shape is Shape.RULE:
                self._held.append(checked)
            return ""
        held = [held for held in self._held if not held.bereft or self._leads(held, unit)]
        self._held = []
        return "".join(map(self._emit, (*held, checked)))

    def _leave_out(self, checked: _Checked) -> None:
        self.dropped += 1
        said = _said(checked.parts)
        if checked.level and self._denied is None and denies(said):
            self._denied = checked.level
        self._held = [
            held
            for held in self._held
            if held.unit.line != checked.unit.line and (held.level or held.unit.shape in {Shape.ROW, Shape.RULE})
        ]
        for held in self._held:
            held.bereft = True

    def _leads(self, held: _Checked, unit: Unit) -> bool:
        """Whether what is shown now belongs to it: of a lead-in the items, of a table's head the rows."""
        if held.level:
            return held.level < _LEAD_IN or self._depth > held.level
        return unit.shape is Shape.ROW

    def _emit(self, checked: _Checked) -> str:
        unit = checked.unit
        shown = ""
        if self._owed and (unit.shape not in {Shape.ROW, Shape.RULE} or unit.line != self._line + 1):
            shown = self._pay()
        if self._shown:
            if unit.line == self._line:
                shown += unit.before or " "
            else:
                shown += unit.before if "\n" in unit.before else "\n" * (1 if unit.line == self._line + 1 else 2)
        self._shown, self._line = True, unit.line + unit.text.count("\n")
        shown += unit.prefix
        found = checked.support.spots if checked.support and not checked.talk else ()
        numbers = [part for part in checked.parts if isinstance(part, int)]
        for number in numbers or dict.fromkeys(spot.source for spot in found):
            statements, quoted = self.cited.setdefault(number, []), self.quoted.setdefault(number, [])
            if not checked.talk:
                statements.append(_said(checked.parts))
                quoted += [spot for spot in found if spot.source == number and spot not in quoted]
        if found and not numbers:
            self._owed += [spot.source for spot in found if spot.source not in {*self._owed, *self._last}]
        if numbers or not checked.talk:
            self._last = set(numbers)
        order = list(self.cited)
        return shown + "".join(part if isinstance(part, str) else f"[{order.index(part) + 1}]" for part in checked.parts)

    def _pay(self) -> str:
        """The footnotes of a table or a block of code, below it."""
        owed, self._owed = self._owed, []
        order = list(self.cited)
        return "\n\n" + "".join(f"[{order.index(number) + 1}]" for number in owed) if owed else ""


def _said(split: Iterable[str | int]) -> str:
    said = "".join(part for part in split if isinstance(part, str))
    return re.sub(r"[ \t]+(?=[.,;:!?…]|\Z)", "", re.sub(r"[ \t]{2,}", " ", said))


def _marked(split: list[str | int], saying: set[int], *, row: bool) -> list[str | int]:
    """With the markers that hold, and one for each source that has none: in the place of a wrong one, beside a right one, or
    before the sentence's end; a table has it below.
    """
    missing = sorted(saying - {part for part in split if isinstance(part, int)})
    if row and not any(isinstance(part, int) for part in split):
        return split
    found: list[str | int] = []
    for index, part in enumerate(split):
        if isinstance(part, str):
            if found and isinstance(before := found[-1], str):
                # A marker stood between them: no white space is left before a full stop.
                found[-1] = (before.rstrip() if part[0] in ".,;:!?… \t" else before) + part
            else:
                found.append(part)
        elif part in saying:
            found.append(part)
        elif missing and not any(isinstance(later, int) and later in saying for later in split[index:]):
            found += missing
            missing = []
    if not missing:
        return found
    text = _said(found)
    ending = _ENDING.search(text)
    cut = ending.start() if ending else len(text)
    if any(isinstance(part, int) for part in found):
        last = max(index for index, part in enumerate(found) if isinstance(part, int))
        return [*found[: last + 1], *missing, *found[last + 1 :]]
    return [f"{text[:cut]} ", *missing, *([text[cut:]] if text[cut:] else [])]


def _level(unit: Unit, said: str) -> int:
    text = said.strip()
    if unit.shape is Shape.HEADING:
        return unit.prefix.count("#")
    bold = bool(_BOLD.fullmatch(text))
    if unit.shape is not Shape.SENTENCE or not (bold or text.rstrip("*_").endswith(":")):
        return 0
    return _depth(unit) or (_BOLD_LINE if text.startswith(("**", "__")) else _LEAD_IN)


def _depth(unit: Unit) -> int:
    """How deep in a list; 0 outside of any."""
    if unit.shape in {Shape.ROW, Shape.RULE, Shape.CODE}:
        return _DEEPEST
    return _IN_LIST + len(unit.prefix) - len(unit.prefix.lstrip()) if _ITEM.match(unit.prefix) else 0


def _may_close(checked: _Checked) -> bool:
    """Whether it can be the last that is said: not a heading, a lead-in or the head of a table."""
    return checked.unit.shape is Shape.SENTENCE and not checked.level
