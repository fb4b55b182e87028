"""Stands in for ``unstructured.nlp.tokenize``, which downloads a spaCy model on its first text.

The library asks it only to tell narrative text, titles and other text apart by their look. Footnote takes
headings from markup and styles alone, so splitting at white space is enough. Standing in before the import
also keeps spaCy out of the process: 2 s and 40 MB less on every start of the parser.
"""

from __future__ import annotations

import re
import sys
from types import ModuleType

from core.indexing.sentences import sentences

_WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def sent_tokenize(text: str) -> list[str]:
    return sentences(str(text))


def word_tokenize(text: str) -> list[str]:
    return _WORD.findall(str(text))


def pos_tag(text: str) -> list[tuple[str, str]]:
    """Every word might be a verb: no text is refused as narrative for want of one."""
    return [(word, "VB") for word in word_tokenize(text)]


def stand_in() -> None:
    """Call before the first import of ``unstructured``; harmless when repeated."""
    module = ModuleType("unstructured.nlp.tokenize")
    vars(module).update(sent_tokenize=sent_tokenize, word_tokenize=word_tokenize, pos_tag=pos_tag)
    sys.modules.setdefault(module.__name__, module)
