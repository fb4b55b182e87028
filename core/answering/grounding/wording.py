"""How something is said: whether it states a fact at all, whether it is denied, and what it is the opposite of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.answering.terms import content_words, stem

_TALK = frozenset(
    stem(word)
    for word in [
        "answer",
        "question",
        "sure",
        "course",
        "here",
        "below",
        "above",
        "follow",
        "following",
        "work",
        "summary",
        "overview",
        "hope",
        "help",
        "detail",
        "information",
        "note",
        "short",
        "brief",
        "contact",
        "step",
        "list",
        "table",
        "example",
        "look",
        "see",
        "check",
        "read",
        "more",
        "further",
        "additional",
        "maybe",
        "perhaps",
        "probably",
        "surely",
        "certainly",
        "source",
        "document",
        "page",
        "documentation",
        "according",
        "mention",
        "state",
        "describe",
        "say",
        "write",
        "generally",
        "basically",
        "essentially",
        "currently",
        "therefore",
        "thus",
        "hence",
        "instead",
        "first",
        "second",
        "finally",
        "next",
        "lastly",
        "well",
        "okay",
        "correct",
        "right",
        "exactly",
        "yes",
        "glad",
        "happy",
        "feel",
        "free",
        "understand",
        "thing",
        "way",
        "case",
        "regard",
        "regarding",
        "question",
        "far",
        "nutshell",
        "conclusion",
        "addition",
        "besides",
        "also",
        "moreover",
        "meanwhile",
    ]
)
"""Words of an answer about itself."""
LABELS = frozenset(
    stem(word)
    for word in [
        "advantage",
        "aspect",
        "background",
        "benefit",
        "caveat",
        "condition",
        "consideration",
        "difference",
        "exception",
        "explanation",
        "fact",
        "important",
        "instruction",
        "key",
        "limitation",
        "main",
        "option",
        "order",
        "part",
        "point",
        "prerequisite",
        "procedure",
        "process",
        "quick",
        "reason",
        "related",
        "relevant",
        "requirement",
        "result",
        "rule",
        "section",
        "solution",
        "specific",
        "summarize",
        "takeaway",
        "thing",
        "tip",
        "topic",
        "type",
        "warning",
    ]
)
"""Words of headings and of what leads to a list: they say nothing of the matter there."""
_ABSENT = re.compile(
    r"\b(?:sources?|documents?|pages?|documentation|excerpts?)\b[^.]{0,40}\b"
    r"(?:do(?:es)? not|don['’]t|doesn['’]t|did not|didn['’]t)"
    r" (?:say|mention|state|tell|specify|contain|cover|describe|include|answer|list|name|give)"
    r"|\b(?:not|nothing|no (?:\w+ )?(?:information|mention|details?|word))\b[^.]{0,60}\bin (?:the|these|any) "
    r"(?:sources?|documents?|pages?|excerpts?)\b"
    r"|\bI (?:could not|couldn['’]t|did not|didn['’]t|cannot|can['’]t) (?:find|tell|say)\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"\s*[;–—]\s*|,?\s+(?:but|however|although|though|while|whereas|except that|aber|doch|mais|pero)\b,?\s*", re.IGNORECASE
)
_SUGGESTS = re.compile(
    r"[\W_]*(?:did you know|(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have)n['’]t)\b", re.IGNORECASE
)
"""Begins a question that states something."""
_NEGATIVE = re.compile(
    r"\b(?:not|never|no longer|cannot|none|nobody|nothing|neither|nor|hardly|forbidden|prohibited|banned|impossible|unable"
    r"|disallowed|ineligible|frozen|blocked|suspended|unsupported|invalid|nicht|nie|niemals|kein\w*|jamais|aucune?|nunca"
    r"|ning[uú]n\w*|(?:ne|n['’])\s?\w+ pas)\b"
    r"|n['’]t\b|\bno (?!\.|\d|one knows|later|earlier|less|more than)(?=\w)",
    re.IGNORECASE,
)
_WHEN = re.compile(r"\W*(?:if|when(?:ever)?|in case|where|wenn|falls|si|quand|cuando)\b[^,]*", re.IGNORECASE)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|does|do|did|can|could|may|might|must|shall|should|will|would|gets?|needs?|ist|sind"
    r"|hat|haben|kann|können|darf|dürfen|muss|müssen|soll|sollen|wird|werden)\b",
    re.IGNORECASE,
)
_SOFT = re.compile(
    r"\b(?:unless|except\w*|only|until|without|other than|rather than|instead|otherwise|alone|if"
    r"|sofern|außer|nur|ohne|sauf|salvo)\b",
    re.IGNORECASE,
)
_OPPOSITES = tuple(
    (re.compile(rf"\b(?:{one})\b", re.IGNORECASE), re.compile(rf"\b(?:{other})\b", re.IGNORECASE))
    for one, other in (
        ("before|prior to|ahead", "after|afterwards|following"),
        (r"above(?!\s+\W?\d)|over(?= the)|higher", r"below(?!\s+\W?\d)|under(?= the)|lower than"),
        ("increas\\w*|raise[sd]?|rises?|rose|grow\\w*", "decreas\\w*|reduc\\w*|lower\\w*|falls?|fell|shrink\\w*"),
        ("enable[sd]?|switched on|turned on|active", "disable[sd]?|switched off|turned off|inactive"),
        ("mandatory|required|must|obligatory|compulsory|has to|have to|need to", "optional|voluntary|may choose"),
        ("include[sd]?|including", "exclude[sd]?|excluding"),
        ("open(?:s|ed|ing)?", "close[sd]?|closing"),
        ("start(?:s|ed)?|begin(?:s)?|began", "end(?:s|ed)?|stop(?:s|ped)?"),
        ("internal\\w*", "external\\w*"),
        ("always", "never"),
        ("earlier|earliest", "later|latest"),
        ("weekdays?|working days", "weekends?"),
        ("allow(?:s|ed)?|permit(?:s|ted)?", "forbid\\w*|forbidden|prohibit\\w*|banned"),
        ("accept(?:s|ed)?|approved?", "reject(?:s|ed)?|denie[sd]|refuse[sd]?"),
    )
)
_AHEAD = re.compile(r"\s+(?:before|ahead|in advance|prior|earlier)\b", re.I)
_LATEST = re.compile(r"\b(?:no|not) later than\s+\Z", re.I)
_UPPER = re.compile(
    r"\b(?:after|above|over|more than|exceed\w*|at least|minimum(?: of)?|from|since|no less than|longer than)\s+\W{0,2}\Z", re.I
)
_LOWER = re.compile(
    r"\b(?:before|by|until|till|below|under|less than|fewer than|up to|at most|maximum(?: of)?|within|no (?:more|later) than"
    r"|not (?:more|later) than|not (?:to )?exceed\w*|in at most)\s+\W{0,2}\Z",
    re.I,
)
_UPPER_AFTER = re.compile(r"\s+(?:or|and) (?:more|longer|later|above)\b", re.I)
_LOWER_AFTER = re.compile(r"\s+(?:(?:or|and) (?:less|fewer|earlier|below)|at (?:the latest|most))\b", re.I)
_SEPARATOR = re.compile(r"[,;:–—]\s+|\s(?:and|but|while|whereas|und|aber|während|et|mais|y|pero)\s")


def is_talk(text: str) -> bool:
    """Whether it says something about the answer rather than about the matter: "Here is how it works:"."""
    if not re.search(r"\w", text) or (text.rstrip("*_ ").endswith("?") and not _SUGGESTS.match(text)):
        return True
    return bool(_ABSENT.search(text)) or not words_of(text)


def claim(text: str) -> str:
    """What it says of the matter beside saying that something is not known: "I could not find a price, but lunch is free."."""
    parts = _CONTRAST.split(text) if _ABSENT.search(text) else [text]
    stated = [part for part in parts if not is_talk(part)]
    return ", ".join(stated) if stated and len(parts) > 1 else text


def states(text: str) -> bool:
    """Whether it has the form of a statement, as a label has not: "Dogs are welcome:"."""
    return bool(_VERB.search(text)) and not _WHEN.match(text)


def words_of(text: str) -> list[str]:
    """Stems of the words that say something about the matter."""
    return [found for word in content_words(text) if not word.isdigit() and (found := stem(word)) not in _TALK]


def clauses(text: str, closed: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """From where to where the parts of a sentence stand that may state something each; what is ``closed`` (a date, a number) is
    not divided.
    """
    parts, start = [], 0
    for separator in _SEPARATOR.finditer(text):
        if not any(low < separator.end() and separator.start() < high for low, high in closed):
            parts.append((start, separator.start()))
            start = separator.end()
    return [(low, high) for low, high in (*parts, (start, len(text))) if re.search(r"\w", text[low:high])]


def direction(text: str, start: int, end: int) -> int:
    """Of a value that stands there: 1 in "more than 5", "after 9:00", -1 in "up to 5", "by 9:00", 0 when nothing is said."""
    if _AHEAD.match(text, end) and _LATEST.search(text, 0, start):
        return 1
    before, after = text[max(0, start - 24) : start], text[end : end + 16]
    if _LOWER.search(before) or _LOWER_AFTER.match(after):
        return -1
    return int(bool(_UPPER.search(before) or _UPPER_AFTER.match(after)))


def turns(text: str, passage: str) -> int:
    """How many times one of two texts about the same thing turns what the other says: a negation, or the opposite word, on one
    side alone. Turned twice it says the same.
    """
    turned = int(len(_NEGATIVE.findall(text)) % 2 != len(_NEGATIVE.findall(passage)) % 2)
    for one, other in _OPPOSITES:
        here, there = (bool(one.search(text)), bool(other.search(text))), (bool(one.search(passage)), bool(other.search(passage)))
        if True in here and there == here[::-1] and here[0] != here[1]:
            turned += 1
    return turned


def denies(text: str) -> bool:
    """Whether it denies something, other than in the condition that it begins with: "If it does not start:"."""
    return bool(_NEGATIVE.search(_WHEN.sub("", text, count=1) if _WHEN.match(text) else text))


def conditions(text: str) -> frozenset[str]:
    """The words for a condition or an exception in it, with which a denial may say the same."""
    return frozenset(word.casefold() for word in _SOFT.findall(text))
