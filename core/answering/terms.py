"""The words that carry a text's meaning, in a form in which inflections meet."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_STEM = 6

# Function words of questions in the languages that a team's pages are most often written in.
_FUNCTION_WORDS = """
    a about after all also am an and any anyone are as at be been before between both but by can could did do does doing
    each else etc every find for from get give got had happen happens has have having he her here him his how i if in into
    is it its just kind know let like long made make many may me might more most much must my need no not now of off on one
    only or other our out over own people please s same say says see shall she should show so some someone such t take tell
    than thanks that the their them then there these they thing things this those to too under until up upon us use used
    using very want was way we were what when where which while who whom whose why will with within without would yes you
    your
    aber als am auch auf aus bei bin bis das dass dem den der des die doch ein eine einem einen einer es für gibt hat habe
    haben ich ihr im in ist ja kann kein keine man mein mich mir mit muss nach nicht noch oder ohne sein sich sie sind um
    und uns viel viele vom von vor wann warum was welche welcher welches wenn wer werden wie wieviel wir wird wo zu zum zur
    au aux avec ce ces cette combien comment dans de des du elle en est et il ils je la le les leur mais mon ne nous on ou
    où par pas pour pourquoi quand que quel quelle quelles quels qui sa se ses son sont sur un une vous
    al como con cómo cual cuál cuando cuándo cuánto cuántos cuántas de del donde dónde el ella en es esta este hay la las lo
    los mi no para pero por porque que qué quien quién se si sin sobre son su sus tengo un una unas unos y yo
"""
_STOP = frozenset(_FUNCTION_WORDS.split())


def terms(text: str) -> list[str]:
    """Stems of the content words in their order, repetitions kept; pairs of characters where words have no spaces."""
    return [stem(word) for word in content_words(text)]


def content_words(text: str) -> list[str]:
    """The words that are not function words, as they were written, in their order."""
    found: list[str] = []
    for word in _WORD.findall(text):
        if _CJK.search(word):
            found += _pairs(word)
        elif word.casefold() not in _STOP:
            found.append(word)
    return found


def stem(word: str) -> str:
    """The word without its commonest endings, at most six letters: crude, but equally crude on both sides."""
    folded = word.casefold()
    if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss"):
        folded = folded[:-1]
    for ending, least in (("ing", 7), ("ed", 6), ("ie", 5), ("y", 5), ("e", 5)):
        if len(folded) >= least and folded.endswith(ending):
            folded = folded.removesuffix(ending)
            break
    return folded[:_STEM]


def _pairs(word: str) -> list[str]:
    pieces = []
    for run in _CJK.findall(word):
        pieces += [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]
    return pieces + _WORD.findall(_CJK.sub(" ", word))
