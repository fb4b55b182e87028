"""Whether what a person says to nobody in particular is a question. Rather one too few than one too many; in a thread where the
bot answers already, one too many.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from bots.commands.memory import new_topic

_LEAST_WORDS = 3
_LEAST_JAPANESE = 6
"""Characters: Japanese puts no space between words."""
_MOST_CHARACTERS = 1000
"""Whoever writes more tells something, and asks people."""

_NOT_THEIRS = [
    re.compile(r"```.*?```|``.*?``|`[^`\n]+`", re.DOTALL),
    re.compile(r"^[ \t]*>.*$", re.MULTILINE),
    re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|「[^」\n]*」|『[^』\n]*』"),
    re.compile(r"\bhttps?://\S+|\bwww\.\S+|[^\s@]{1,64}@[^\s@]+\.\w+"),
    re.compile(r"<a?:\w+:\d+>|:[a-z0-9_+'-]+:"),
]
"""Code, quoted lines, quoted words, addresses, emoji."""
_TO_SOMEBODY = re.compile(r"\s*@\S")
_PLAIN = str.maketrans({"’": "'", "¿": " ", "¡": " "})
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\s)\]]+|(?<=[。！？])|\n")
_WORD = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")
_JAPANESE = re.compile(r"[ぁ-んァ-ヶ]")
_JAPANESE_ASKS = re.compile(r"(?:です|ます|ました|でした|でしょう|ません)か$")


def _any(*patterns: str) -> str:
    return "(?:" + "|".join(patterns) + ")"


_GREETING = re.compile(
    _any(
        "hi",
        "hey",
        "hello",
        "good (?:morning|afternoon|evening)",
        "hallo",
        "moin",
        "guten (?:morgen|tag|abend)",
        "hola",
        "buen[oa]s (?:días|dias|tardes|noches)",
        "salut",
        "bonjour",
        "bonsoir",
    )
    + r"(?:[ ,]+(?:all|everyone|everybody|team|folks|there|zusammen|a todos|à tous))*(?:\s*[,.!:–—-]+\s*|\s+|$)"
    + r"|(?:こんにちは|おはようございます|お疲れ様です)[、。！]?",
    re.IGNORECASE,
)
_ENGLISH = "what who whom whose which when where why how"
_GERMAN = "was wer wen wem wessen welche welcher welches welchen welchem wann wo wohin woher warum wieso weshalb wie wieviel"
_SPANISH = "qué quién quiénes cuál cuáles cuándo dónde adónde cómo cuánto cuánta cuántos cuántas"
_FRENCH = "quel quelle quels quelles qui quoi quand où pourquoi comment combien est-ce qu'est-ce"
_ASKS = frozenset(f"{_ENGLISH} {_GERMAN} {_SPANISH} {_FRENCH}".split())
"""Words that begin a question, in languages that put them first."""
_TELLS = re.compile(
    _any(
        r"what an?\b",
        r"(?:what|when|where|how|why|who) (?:i|you|we|they|he|she|it|this|that|the|my|our)\b",
        r"how (?:nice|cool|great|lovely|sweet|funny|sad|exciting|wonderful|about)\b",
        r"which (?:is|was|means|reminds)\b",
        r"(?:was|wie|wo|wer|wann|warum) (?:ich|wir|du|ihr|man|er|sie|es|mich|uns)\b",
        r"was für ein",
        r"wie (?:schön|nett|cool|toll|gut|gesagt|besprochen|immer)\b",
        r"qué (?:bien|bueno|buena|lástima|pena|guay|alegría|bonito)\b",
        r"quel(?:le)? (?:bon|bonne|belle|beau|joie|dommage|chance)\b",
        r"comment dire\b",
    ),
    re.IGNORECASE,
)
"""They begin like questions and tell something: this matters where no question mark stands."""
_SMALL_TALK = re.compile(
    _any(
        r"are you (?:kidding|serious|sure|there|ok(?:ay)?)\b.*",
        r"who (?:cares|knows|knew)\b.*",
        r"why not\b.*",
        r"what (?:a|an|the)\b.*",
        r"what(?:'s| is) (?:up|new|wrong with you)\b.*",
        r"what (?:could|can) (?:possibly )?go wrong.*",
        r"how (?:nice|cool|great|lovely|dare)\b.*",
        r"how(?: are|'re) (?:you|we|things)\b.*",
        r"how(?: is|'s| was) (?:it going|everyone|everybody|life|your)\b.*",
        r"(?:who's|who is|anyone|anybody|someone) (?:else )?(?:in|up|hungry|coming|fancy|for|want|around|free)\b.*",
        r"(?:shall|should|could|can) (?:we|you|i|someone|somebody)\b.*",
        r"(?:would|will|do) you (?:mind|please|want|like)\b.*",
        r"can you believe\b.*",
        r"(?:isn't|wasn't|aren't) (?:that|this|it|we|you)\b.*",
        r"wie geht(?:'s|s| es)\b.*",
        r"wer (?:kommt mit|hat lust|ist dabei|mag)\b.*",
        r"(?:wollen|sollen|gehen|treffen) wir\b.*",
        r"(?:kannst|könntest|magst|willst|bist|hast) du\b.*",
        r"cómo (?:estás?|están|va|vas|andas?)\b.*",
        r"qué tal\b.*",
        r"quién (?:sabe|viene|se apunta)\b.*",
        r"(?:puedes|podrías|quieres|vamos)\b.*",
        r"comment (?:ça va|allez|vas|tu vas)\b.*",
        r"ça va\b.*",
        r"qui (?:sait|vient|est partant)\b.*",
        r"(?:tu peux|peux-tu|pourrais-tu|pourriez-vous|on y va)\b.*",
        r".*(?:お元気ですか|元気ですか|マジですか|本当ですか|行きませんか|いかがですか)",
        r".*[\s,](?:right|ok|okay|don't you think|you know|remember|eh|huh|or what)",
        r".*[\s,](?:oder|nicht wahr|gell|ne|verdad|vale|no|n'est-ce pas|hein|non)",
    ),
    re.IGNORECASE,
)
"""Asked for company, a favour, agreement or fun: no page answers it."""
_REACTION = re.compile(
    r"(?:(?:oh|ah|wow|hm+|ok(?:ay)?|thanks|thank you|ach|danke|gracias|merci)[ ,]*)*"
    + _any(
        *("really", "seriously", "right", "ok(?:ay)?", "what", "huh", "eh", "hm+", "yes", "no", "sure", "so what"),
        *("is that so", "who knew", "who cares", "are you (?:kidding|serious|sure|joking)", "can you believe"),
        *("echt", "wirklich", "ernsthaft", "oder", "ja", "nein", "ach so", "im ernst", "verdad", "vale", "en serio", "sí"),
        *(
            "de verdad",
            "vraiment",
            "ah bon",
            "hein",
            "non",
            "oui",
            "sérieux",
            "本当(?:ですか|に)?",
            "マジ(?:ですか)?",
            "そうですか",
        ),
    )
    + r"(?: (?:me|us|this|that|it|now))?",
    re.IGNORECASE,
)
"""With a question mark, and yet nothing is asked."""
_THANKED = (
    "thanks thank thx ty cheers great good perfect nice cool awesome ok okay helpful helps helped "
    "danke dank prima super gracias genial merci parfait"
)
_BESIDES = "you a lot so much very for the your this that it all got dir vielen schön sehr muchas mil beaucoup bien"
_THANKS, _WITH_THANKS = frozenset(_THANKED.split()), frozenset(_BESIDES.split())
_LEAVE = frozenset(
    (
        *("stop", "stop please", "please stop", "leave", "leave please", "please leave"),
        *("leave this thread", "leave the thread", "please leave this thread"),
        *("stop following", "stop following this thread", "stop replying", "stop answering"),
        *("stopp", "hör auf", "bitte hör auf", "verlass den thread", "para", "basta", "deja el hilo"),
        *("arrête", "arrête-toi", "quitte le fil", "やめて", "止めて"),
    )
)


def is_question(text: str) -> bool:
    """Whether it asks for something that a page could say. ``text`` is plain, with people as ``@name``.

    It ends with a question mark, or begins with a word that asks; it has three words, and is not put to somebody by name.
    """
    if len(text) > _MOST_CHARACTERS or _TO_SOMEBODY.match(text):
        return False
    sentences = list(_sentences(text))
    # People ask first and explain then, or the other way round.
    return any(_asks(sentence) for sentence in {*sentences[:1], *sentences[-1:]})


def is_thanks(text: str) -> bool:
    """Nothing is said but thanks, or that it helped."""
    words = {word.casefold() for word in _WORD.findall(text)}
    return "?" not in text and bool(words & _THANKS) and words <= _THANKS | _WITH_THANKS


def goes_on(text: str) -> bool:
    """Whether what is said in a thread that the bot answers in is for it: it asks something more, if only by a word or two, or
    begins a new topic. What people tell each other there is not, nor are thanks.
    """
    if new_topic(text) is not None:
        return True
    if len(text) > _MOST_CHARACTERS or _TO_SOMEBODY.match(text):
        return False
    sentences = list(_sentences(text))
    return any(_asks_more(sentence) for sentence in {*sentences[:1], *sentences[-1:]})


def is_farewell(text: str) -> bool:
    """Told to stop, or to leave a thread; nothing else is said."""
    return " ".join(text.casefold().strip(" .!?。！").split()) in _LEAVE


def _sentences(text: str) -> Iterator[str]:
    """What the person says themselves, without greetings and marks of lists."""
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    for pattern in _NOT_THEIRS:
        text = pattern.sub(" ", text)
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(part.split()).lstrip("*•–—- ")
        if greeting := _GREETING.match(sentence):
            sentence = sentence[greeting.end() :]
        if sentence:
            yield sentence


def _asks_more(sentence: str) -> bool:
    """Who talks with the bot asks it for what would be a favour elsewhere: *Can I carry them over?*"""
    bare, end = _ending(sentence)
    if end in {"?", "？"}:
        return bool(_WORD.search(bare)) and not _REACTION.fullmatch(bare)
    return _asks(sentence)


def _ending(sentence: str) -> tuple[str, str]:
    bare = sentence.rstrip("?？!！.。… ")
    return bare, sentence[len(bare) :].strip()


def _asks(sentence: str) -> bool:
    bare, end = _ending(sentence)
    if end not in {"", ".", "。", "?", "？"} or _SMALL_TALK.fullmatch(bare):
        return False
    marked = end in {"?", "？"}
    if _JAPANESE.search(bare):
        return len(bare) >= _LEAST_JAPANESE and (marked or bool(_JAPANESE_ASKS.search(bare)))
    words = _WORD.findall(bare)
    if len(words) < _LEAST_WORDS:
        return False
    return marked or (words[0].casefold() in _ASKS and not _TELLS.match(bare))
