"""The standard streams as the shell hands them over: perhaps closed, perhaps unable to say every character."""

from __future__ import annotations

import io
import os
import sys


def settle() -> None:
    """Open what is closed to nothing, and write a question mark for what an encoding lacks. Call once, before anything else.

    Otherwise a socket or a lock that is opened later gets the number of a closed stream, and is printed into.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def give_up() -> None:
    """After a write that failed: what is still to be written goes nowhere, so that the end of the process does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
