"""In which language a text is written, as far as its script and its small words tell."""

from __future__ import annotations

import re

_SMALL_WORDS = {
    "en": "the of and to is are be for with that this you your it as on by from must can may not or an was has have who when get "
    "a in at no needs up above up",
    "de": "der die das und ist sind für mit ein eine einen nicht von zu im auf den dem des es sie wird werden kann pro bei nach "
    "in am wurde haben über vom zum als innerhalb",
    "fr": "le la les des et est sont pour avec un une dans que qui pas du au aux par sur il elle ce cette peut doit ont vous",
    "es": "el la los las y es son para con un una en que no del al por se su sus puede debe hay lo tienen como más días",
    "pt": "o os e é são para com um uma em que não do da dos por se pode deve há ao mais",
    "it": "il lo la gli le e è sono per con un una in che non del della di da si può deve dei alle nel",
    "nl": "de het een en is zijn voor met van dat niet op te aan bij naar wordt worden kan moet per",
}
_OF = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_WORD = re.compile(r"[^\W\d_]+")


def language(text: str) -> str:
    """``en``, ``de``, …; empty when nothing tells, as of a table's cells or a single name."""
    for name, script in _SCRIPTS:
        if len(script.findall(text)) * 4 > len(text) - text.count(" "):
            return name
    words = [word.casefold() for word in _WORD.findall(text)]
    counts = {name: sum(word in known for word in words) for name, known in _OF.items()}
    best = max(counts, key=lambda name: counts[name])
    runner_up = max(count for name, count in counts.items() if name != best)
    # One small word alone may be of any language, or a name.
    certain = counts[best] > runner_up + (counts[best] > 1) * (runner_up > 1) and (counts[best] > 1 or len(words) > 3)
    return best if certain else ""
