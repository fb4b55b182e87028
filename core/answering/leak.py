"""What the model was told, kept from what it says."""

from __future__ import annotations

import unicodedata

from core.errors import FootnoteError

_REPEATED = 64
"""Letters and digits of the instructions in one piece (some 80 characters) that no answer repeats by chance."""


class LeakedError(FootnoteError):
    """The chat model repeated its instructions"""


class LeakGuard:
    """Feed it the model's text; it gives back what repeats nothing of ``instructions``, and holds back what might.

    Only letters and digits are compared, so that neither case nor spaces, dots or invisible characters between them help.
    """

    def __init__(self, instructions: str, canary: str = "") -> None:
        """``canary`` is a word of the instructions that may not be said even alone."""
        self._instructions = _letters(instructions)
        self._canary = _letters(canary)
        self._repeated = ""
        """The longest end of what was said that stands in the instructions, too."""
        self._waiting: list[str] = []
        """Its letters as they were said, each with what stood before it."""
        self._between = ""

    def feed(self, text: str) -> str:
        """What can be shown for certain. Raises LeakedError; nothing of the leak was given back before."""
        safe: list[str] = []
        for character in text:
            self._between += character
            if letters := _letters(character):
                self._repeated += letters
                self._waiting += [self._between, *[""] * (len(letters) - 1)]
                self._between = ""
                while self._repeated not in self._instructions:
                    self._repeated = self._repeated[1:]
                    safe.append(self._waiting.pop(0))
                if len(self._repeated) >= _REPEATED or (self._canary and self._canary in self._repeated):
                    raise LeakedError
        return "".join(safe)

    def close(self) -> str:
        """The rest: nothing more will be said."""
        rest = "".join((*self._waiting, self._between))
        self._waiting, self._between = [], ""
        return rest


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
