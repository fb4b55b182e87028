"""Keeps unstructured from the network: call :func:`take_offline` before it is imported.

It reports every start and every document home unless told not to, and its ``nlp.tokenize`` downloads a spaCy model
on the first text. The library asks that module only to tell narrative text, titles and other text apart by their
look. Footnote takes headings from markup and styles, so regular expressions are enough in its place. They also keep
spaCy out of the process: 2 s and 40 MB less on every start of the parser.
"""

from __future__ import annotations

import os
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


def take_offline() -> None:
    """No telemetry, no model. Harmless when repeated."""
    os.environ.update(SCARF_NO_ANALYTICS="true", DO_NOT_TRACK="1", UNSTRUCTURED_DISABLE_NOTICE="1")
    module = ModuleType("unstructured.nlp.tokenize")
    vars(module).update(sent_tokenize=sent_tokenize, word_tokenize=word_tokenize, pos_tag=pos_tag)
    sys.modules.setdefault(module.__name__, module)
